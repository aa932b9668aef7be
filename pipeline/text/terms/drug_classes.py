"""Which drugs are meant by the name of a class: "statins", "blood thinners", "opioids".

Decides by a list that a person can read and lengthen, in the groups of WHO's stems of international names (-vastatin,
-olol, -pril, -sartan, -prazole, -xaban, -floxacin); brands of one drug are `drug_names`'s, those of two together stand
here. The name of a class finds its drugs; a drug never stands for its class in what is verified. Refuses to know doses
and what a drug is for.
"""

from __future__ import annotations

import re

_CLASSES = """
    statins : atorvastatin, fluvastatin, lovastatin, pitavastatin, pravastatin, rosuvastatin, simvastatin,
        mevacor, lescol, livalo, vytorin, caduet
    beta blockers, betablockers : acebutolol, atenolol, betaxolol, bisoprolol, carvedilol, esmolol, labetalol,
        metoprolol, nadolol, nebivolol, pindolol, propranolol, sotalol, timolol, inderal, ziac, zebeta, corgard,
        trandate, betapace, tenoretic
    ace inhibitors, acei, aceis : benazepril, captopril, enalapril, fosinopril, lisinopril, moexipril,
        perindopril, quinapril, ramipril, trandolapril, vasotec, altace, accupril, lotensin, capoten, lotrel,
        zestoretic, prinzide
    arbs, angiotensin receptor blockers : azilsartan, candesartan, eprosartan, irbesartan, losartan, olmesartan,
        telmisartan, valsartan, hyzaar, atacand, exforge, entresto
    calcium channel blockers, ccbs : amlodipine, diltiazem, felodipine, isradipine, nicardipine, nifedipine,
        nimodipine, nisoldipine, verapamil, procardia, adalat, plendil, lotrel, caduet, exforge
    diuretics, water pills : acetazolamide, amiloride, bumetanide, chlorthalidone, chlorothiazide, eplerenone,
        ethacrynic acid, furosemide, hydrochlorothiazide, indapamide, metolazone, spironolactone, torsemide,
        triamterene, dyazide, maxzide, hyzaar, zestoretic, tenoretic
    loop diuretics : bumetanide, ethacrynic acid, furosemide, torsemide
    blood thinners, anticoagulants, anticoagulation, anticoags : apixaban, argatroban, bivalirudin, dabigatran,
        dalteparin, edoxaban, enoxaparin, fondaparinux, heparin, rivaroxaban, warfarin, savaysa, arixtra, fragmin
    doacs, noacs : apixaban, dabigatran, edoxaban, rivaroxaban, savaysa
    antiplatelets, antiplatelet agents : aspirin, clopidogrel, cilostazol, dipyridamole, prasugrel, ticagrelor,
        effient, aggrenox, pletal
    opioids, opiates, narcotics, narcotic pain medications, opioid analgesics : buprenorphine, codeine, fentanyl,
        hydrocodone, hydromorphone, levorphanol, meperidine, methadone, morphine, oxycodone, oxymorphone,
        tapentadol, tramadol, dihydrocodeine, co codamol, ultram, percocet, vicodin, norco, lortab, lorcet,
        roxicet, endocet, roxicodone, oxycontin,
        dilaudid, demerol, duragesic, nucynta, opana, ultracet, suboxone, darvocet, propoxyphene, ms contin
    nsaids, nsaid, nonsteroidals, anti inflammatories : celecoxib, diclofenac, etodolac, flurbiprofen, ibuprofen,
        indomethacin, ketoprofen, ketorolac, meloxicam, nabumetone, naproxen, oxaprozin, piroxicam, sulindac,
        voltaren, toradol, indocin, feldene, relafen, lodine, daypro
    steroids, corticosteroids, oral steroids : betamethasone, budesonide, cortisone, dexamethasone,
        hydrocortisone, methylprednisolone, prednisolone, prednisone, triamcinolone, decadron, kenalog, orapred
    ssris : citalopram, escitalopram, fluoxetine, fluvoxamine, paroxetine, sertraline
    snris : desvenlafaxine, duloxetine, milnacipran, venlafaxine, pristiq
    antidepressants : amitriptyline, bupropion, citalopram, desipramine, desvenlafaxine, doxepin, duloxetine,
        escitalopram, fluoxetine, fluvoxamine, imipramine, mirtazapine, nortriptyline, paroxetine, sertraline,
        trazodone, venlafaxine, vilazodone, vortioxetine, elavil, pamelor, pristiq, viibryd, trintellix
    benzodiazepines, benzos : alprazolam, chlordiazepoxide, clonazepam, clorazepate, diazepam, lorazepam,
        midazolam, oxazepam, temazepam, triazolam, restoril, versed, librium
    antipsychotics : aripiprazole, chlorpromazine, clozapine, fluphenazine, haloperidol, lurasidone, olanzapine,
        paliperidone, perphenazine, quetiapine, risperidone, ziprasidone, haldol, geodon, latuda, clozaril,
        thorazine
    anticonvulsants, antiepileptics, seizure medications, aeds : carbamazepine, divalproex, ethosuximide,
        gabapentin, lacosamide, lamotrigine, levetiracetam, oxcarbazepine, phenobarbital, phenytoin, pregabalin,
        primidone, topiramate, valproate, valproic acid, zonisamide, trileptal, vimpat, zonegran
    antibiotics, abx : amoxicillin, ampicillin, azithromycin, aztreonam, cefadroxil, cefazolin, cefdinir,
        cefepime, cefotaxime, cefoxitin, cefpodoxime, ceftazidime, ceftriaxone, cefuroxime, cephalexin,
        ciprofloxacin, clarithromycin, clindamycin, dicloxacillin, doxycycline, ertapenem, erythromycin,
        gentamicin, levofloxacin, linezolid, meropenem, metronidazole, minocycline, moxifloxacin, nafcillin,
        nitrofurantoin, oxacillin, penicillin, piperacillin, rifampin, sulfamethoxazole, tetracycline, tobramycin,
        trimethoprim, vancomycin, ancef, augmentin, bactrim, septra, amoxil, biaxin, cleocin, kefzol, macrobid,
        omnicef, rocephin, unasyn, zosyn, z pak, zpak, avelox
    penicillins : penicillin, amoxicillin, ampicillin, dicloxacillin, nafcillin, oxacillin, piperacillin,
        augmentin, amoxil, unasyn, zosyn
    cephalosporins : cefadroxil, cefazolin, cefdinir, cefepime, cefotaxime, cefoxitin, cefpodoxime, ceftazidime,
        ceftriaxone, cefuroxime, cephalexin, ancef, kefzol, omnicef, rocephin
    fluoroquinolones, quinolones : ciprofloxacin, levofloxacin, moxifloxacin, ofloxacin, avelox
    macrolides : azithromycin, clarithromycin, erythromycin, biaxin
    sulfa, sulfas, sulfa drugs, sulfonamides : sulfa, sulfamethoxazole, sulfadiazine, sulfasalazine, bactrim,
        septra
    ppis, ppi, proton pump inhibitors : dexlansoprazole, esomeprazole, lansoprazole, omeprazole, pantoprazole,
        rabeprazole, aciphex, dexilant
    h2 blockers : cimetidine, famotidine, nizatidine, ranitidine, tagamet
    insulin, insulins : insulin, aspart, degludec, detemir, glargine, lispro, lantus, basaglar, levemir, tresiba,
        toujeo, humalog, novolog, humulin, novolin
    sulfonylureas : chlorpropamide, glimepiride, glipizide, glyburide, tolbutamide, micronase, diabeta
    sglt2 inhibitors, sglt2is : canagliflozin, dapagliflozin, empagliflozin, ertugliflozin, invokana
    glp1s, glp 1s, glp 1 agonists, glp1 agonists, glp 1 receptor agonists : dulaglutide, exenatide, liraglutide,
        semaglutide, tirzepatide, ozempic,
        wegovy, byetta, mounjaro
    biologics, biologic : adalimumab, infliximab, etanercept, certolizumab, golimumab, rituximab, tocilizumab,
        abatacept,
        ustekinumab, secukinumab, vedolizumab, dupilumab, omalizumab, humira, enbrel, remicade, rituxan, stelara
    tnf inhibitors, anti tnfs : adalimumab, infliximab, etanercept, certolizumab, golimumab, humira, enbrel,
        remicade
    immunosuppressants, immunosuppressives : azathioprine, cyclosporine, mycophenolate, sirolimus, tacrolimus,
        methotrexate,
        imuran, cellcept, prograf
    dmards : methotrexate, hydroxychloroquine, leflunomide, sulfasalazine, plaquenil
    thyroid medications, thyroid hormones, thyroid replacements : levothyroxine, liothyronine, synthroid,
        unithroid,
        levoxyl, armour thyroid, cytomel
    nitrates : nitroglycerin, isosorbide, imdur, isordil, nitro
    oral contraceptives, birth control pills, ocps : oral contraceptive, ocp, birth control pill,
        ethinyl estradiol,
        norethindrone, drospirenone, microgestin, yaz, yasmin
    gout medications : allopurinol, colchicine, febuxostat, probenecid, uloric
    pde5 inhibitors, erectile dysfunction medications : sildenafil, tadalafil, vardenafil, viagra, cialis, levitra
    chemotherapies, chemotherapy, chemo : chemotherapy, paclitaxel, docetaxel, carboplatin, cisplatin,
        oxaliplatin, doxorubicin,
        cyclophosphamide, fluorouracil, gemcitabine, capecitabine, etoposide, vincristine, irinotecan, taxol
    mood stabilizers : lithium, lamotrigine, valproate, divalproex, carbamazepine, depakote
    bisphosphonates : alendronate, ibandronate, pamidronate, risedronate, zoledronic acid, actonel, boniva,
        reclast
    inhalers : albuterol, ipratropium, salmeterol, tiotropium, formoterol, advair, symbicort, atrovent, combivent,
        flovent, dulera, serevent, qvar, pulmicort, breo, anoro, trelegy, salbutamol, fluticasone, levalbuterol,
        ventolin,
        proair, spiriva
    antihistamines : cetirizine, chlorpheniramine, cyproheptadine, desloratadine, diphenhydramine, fexofenadine,
        hydroxyzine, levocetirizine, loratadine, atarax, vistaril, clarinex, xyzal
    muscle relaxants, muscle relaxers : baclofen, carisoprodol, cyclobenzaprine, metaxalone, methocarbamol,
        tizanidine, flexeril, soma, skelaxin, robaxin, zanaflex
    triptans : almotriptan, eletriptan, naratriptan, rizatriptan, sumatriptan, zolmitriptan, imitrex, maxalt,
        relpax, zomig
    stimulants : amphetamine, dextroamphetamine, lisdexamfetamine, methylphenidate, adderall, ritalin, concerta,
        vyvanse
    antivirals : acyclovir, famciclovir, ganciclovir, oseltamivir, valacyclovir, tamiflu, famvir
    alpha blockers : doxazosin, prazosin, terazosin, cardura, minipress, hytrin
    antiarrhythmics : amiodarone, disopyramide, dofetilide, dronedarone, flecainide, propafenone, sotalol,
        pacerone,
        tikosyn, multaq, rythmol
    antiemetics, anti emetics, nausea medications : metoclopramide, ondansetron, prochlorperazine, promethazine,
        scopolamine, granisetron, reglan, compazine, phenergan
    antifungals : amphotericin, clotrimazole, fluconazole, itraconazole, ketoconazole, micafungin, nystatin,
        terbinafine, voriconazole, lamisil
    antimalarials : artesunate, atovaquone, chloroquine, hydroxychloroquine, mefloquine, primaquine, quinine,
        malarone,
        coartem, plaquenil, lariam
    bronchodilators : albuterol, formoterol, ipratropium, levalbuterol, salmeterol, theophylline, tiotropium,
        atrovent,
        combivent, xopenex, serevent
    laxatives, stool softeners : bisacodyl, docusate, lactulose, polyethylene glycol, senna, colace, dulcolax,
        miralax,
        senokot
    hypnotics, sleeping pills, sleep aids : eszopiclone, melatonin, ramelteon, suvorexant, temazepam, triazolam,
        zaleplon, zolpidem, lunesta, restoril, sonata
    vasodilators : hydralazine, isosorbide, minoxidil, nitroglycerin, imdur, isordil
    """
"""The names of a class before the colon, its drugs after it."""
_OF_CLASSES = """
    analgesics, pain medications, painkillers, pain killers : opioids, nsaids | acetaminophen, lidocaine, fioricet
    antihypertensives, anti hypertensives, blood pressure medications, bp medications : beta blockers,
        ace inhibitors,
        arbs, calcium channel blockers, diuretics, alpha blockers | clonidine, hydralazine, methyldopa, minoxidil,
        aliskiren, catapres
    cholesterol medications, lipid lowering medications : statins | ezetimibe, fenofibrate, gemfibrozil, niacin,
        tricor, lopid, praluent, repatha
    diabetes medications, antidiabetics : insulins, sulfonylureas, sglt2 inhibitors, glp 1 agonists | metformin,
        pioglitazone, sitagliptin, linagliptin, saxagliptin, actos, tradjenta, acarbose
    """
"""The names of what several classes are together before the colon, behind it those classes, and what else is."""

_AGENTS = re.compile(r"\s+(?:drugs?|medications?|medicines?|meds?|agents?|therapy|pills?)$", re.IGNORECASE)
_OF_AN_ALLERGY = {"penicillin": "penicillins", "pcn": "penicillins"}
"""Who reacts to one drug of it is said to react to all."""


def _listed() -> dict[str, tuple[str, ...]]:
    found = {}
    for line in re.sub(r",\s*\n\s*", ", ", _CLASSES).strip().splitlines():
        names, _, drugs = line.partition(" : ")
        members = tuple(drug.strip() for drug in drugs.split(","))
        found.update({_folded(name): members for name in names.split(",")})
    for line in re.sub(r",\s*\n\s*", ", ", _OF_CLASSES).strip().splitlines():
        names, _, joined = line.partition(" : ")
        classes, _, more = joined.partition(" | ")
        together = [member for each in classes.split(",") for member in found[_folded(each)]]
        members = tuple(dict.fromkeys([*together, *(each.strip() for each in more.split(","))]))
        found.update({_folded(name): members for name in names.split(",")})
    return found


def _folded(name: str) -> str:
    return " ".join(name.lower().replace("-", " ").split()).rstrip("s")


def class_members(words: str, *, allergy: bool = False) -> tuple[str, ...]:
    """The drugs of the class that is called so; empty where that is none. `allergy`: whether reactions to it are asked
    for."""
    folded = _folded(words)
    if allergy:
        folded = _folded(_OF_AN_ALLERGY.get(folded, folded))
    return _MEMBERS.get(folded) or _MEMBERS.get(_folded(_AGENTS.sub("", words)), ())


def classes_named(words: str) -> tuple[str, ...]:
    """The names of classes that `words` has, as they stand there: not that of a drug ("insulin"),
        which names a class
    as well."""
    found = (match.group() for match in _NAMES.finditer(words))
    return tuple(dict.fromkeys(each for each in found if _folded(each) not in class_members(each)))


def all_drugs() -> frozenset[str]:
    """Every name of a drug that is listed."""
    return _DRUGS


_MEMBERS = _listed()
_DRUGS = frozenset(drug for members in _MEMBERS.values() for drug in members)
_ANY_NAME = "|".join(
    re.escape(name).replace(r"\ ", r"[\s-]") for name in sorted(_MEMBERS, key=len, reverse=True)
)
_NAMES = re.compile(rf"(?<![\w-])(?:{_ANY_NAME})s?(?![\w-])", re.IGNORECASE)
