"""Which brand names are which drug, and which drugs have two names.

Decides by a list that a person can read and lengthen. A brand whose form or strength makes another product of the same
drug is not in it (Toujeo, Zyban), nor one of two drugs together (Percocet): two drugs are never the same word. Refuses
to know doses and what a drug is for.
"""

from __future__ import annotations

BRANDS = """
    acetaminophen : acetaminophen, paracetamol, tylenol, apap
    acyclovir : acyclovir, aciclovir, zovirax
    adalimumab : adalimumab, humira
    albuterol : albuterol, salbutamol, proventil, ventolin, proair
    alendronate : alendronate, fosamax
    allopurinol : allopurinol, zyloprim
    alprazolam : alprazolam, xanax
    amlodipine : amlodipine, norvasc
    apixaban : apixaban, eliquis
    aripiprazole : aripiprazole, abilify
    aspirin : aspirin, acetylsalicylic acid, ecotrin
    atenolol : atenolol, tenormin
    atorvastatin : atorvastatin, lipitor
    azithromycin : azithromycin, zithromax
    bumetanide : bumetanide, bumex
    bupropion : bupropion, wellbutrin
    carbamazepine : carbamazepine, tegretol
    carvedilol : carvedilol, coreg
    celecoxib : celecoxib, celebrex
    cephalexin : cephalexin, cefalexin, keflex
    cetirizine : cetirizine, zyrtec
    ciprofloxacin : ciprofloxacin, cipro
    citalopram : citalopram, celexa
    clonazepam : clonazepam, klonopin
    clopidogrel : clopidogrel, plavix
    colchicine : colchicine, colcrys
    dabigatran : dabigatran, pradaxa
    dapagliflozin : dapagliflozin, farxiga, forxiga
    diazepam : diazepam, valium
    digoxin : digoxin, lanoxin
    diltiazem : diltiazem, cardizem
    diphenhydramine : diphenhydramine, benadryl
    divalproex : divalproex, depakote
    dulaglutide : dulaglutide, trulicity
    duloxetine : duloxetine, cymbalta
    empagliflozin : empagliflozin, jardiance
    enoxaparin : enoxaparin, lovenox
    escitalopram : escitalopram, lexapro
    esomeprazole : esomeprazole, nexium
    etanercept : etanercept, enbrel
    ezetimibe : ezetimibe, zetia
    famotidine : famotidine, pepcid
    febuxostat : febuxostat, uloric
    fexofenadine : fexofenadine, allegra
    fluconazole : fluconazole, diflucan
    fluoxetine : fluoxetine, prozac
    furosemide : furosemide, frusemide, lasix
    gabapentin : gabapentin, neurontin
    glimepiride : glimepiride, amaryl
    glipizide : glipizide, glucotrol
    glyburide : glyburide, glibenclamide
    hydrochlorothiazide : hydrochlorothiazide, hctz
    hydroxychloroquine : hydroxychloroquine, plaquenil
    ibuprofen : ibuprofen, advil, motrin
    infliximab : infliximab, remicade
    insulin aspart : novolog, novorapid
    insulin degludec : tresiba
    insulin detemir : levemir
    insulin glargine : lantus, basaglar, semglee
    insulin lispro : humalog
    aspart : aspart
    degludec : degludec
    detemir : detemir
    glargine : glargine
    irbesartan : irbesartan, avapro
    lamotrigine : lamotrigine, lamictal
    lansoprazole : lansoprazole, prevacid
    levetiracetam : levetiracetam, keppra
    levofloxacin : levofloxacin, levaquin
    levothyroxine : levothyroxine, synthroid, levoxyl, unithroid, euthyrox
    liraglutide : liraglutide, victoza
    lisinopril : lisinopril, zestril, prinivil
    loratadine : loratadine, claritin
    lorazepam : lorazepam, ativan
    losartan : losartan, cozaar
    meloxicam : meloxicam, mobic
    mesalamine : mesalamine, mesalazine, 5-asa
    metformin : metformin, glucophage
    methylprednisolone : methylprednisolone, medrol
    metoclopramide : metoclopramide, reglan
    metoprolol succinate : toprol, toprol-xl
    metoprolol tartrate : lopressor
    metoprolol : metoprolol
    succinate : succinate
    tartrate : tartrate
    metronidazole : metronidazole, flagyl
    mirtazapine : mirtazapine, remeron
    montelukast : montelukast, singulair
    naproxen : naproxen, aleve, naprosyn
    nebivolol : nebivolol, bystolic
    olanzapine : olanzapine, zyprexa
    olmesartan : olmesartan, benicar
    omeprazole : omeprazole, prilosec
    ondansetron : ondansetron, zofran
    pantoprazole : pantoprazole, protonix
    paroxetine : paroxetine, paxil
    penicillin : penicillin, penicillins, pcn
    phenytoin : phenytoin, dilantin
    pravastatin : pravastatin, pravachol
    prednisone : prednisone, deltasone
    pregabalin : pregabalin, lyrica
    quetiapine : quetiapine, seroquel
    ranitidine : ranitidine, zantac
    risperidone : risperidone, risperdal
    rivaroxaban : rivaroxaban, xarelto
    rosuvastatin : rosuvastatin, crestor
    sertraline : sertraline, zoloft
    simvastatin : simvastatin, zocor
    sitagliptin : sitagliptin, januvia
    spironolactone : spironolactone, aldactone
    tamsulosin : tamsulosin, flomax
    telmisartan : telmisartan, micardis
    ticagrelor : ticagrelor, brilinta
    tiotropium : tiotropium, spiriva
    topiramate : topiramate, topamax
    torsemide : torsemide, torasemide, demadex
    tramadol : tramadol, ultram
    trazodone : trazodone, desyrel
    valacyclovir : valacyclovir, valtrex
    valsartan : valsartan, diovan
    venlafaxine : venlafaxine, effexor
    verapamil : verapamil, calan
    warfarin : warfarin, coumadin, jantoven
    zolpidem : zolpidem, ambien
    """
"""The drug before the colon, its names after it, as `vocabulary._SAME` has them."""

SHORT = {"aspirin": "ASA"}
"""Abbreviations that mean something else in other places ("ASA class II"): a question about the drug finds them, and no
statement is read by them."""


def all_brands() -> frozenset[str]:
    """Every name of a drug that is listed here, brands and others."""
    listed = (line.partition(" : ")[2].split(", ") for line in BRANDS.strip().splitlines())
    return frozenset(name.strip() for names in listed for name in names)
