"""Which words of clinical English claim nothing, which say the same, and which change what stands next to them.

Decides by lists that a person can read and lengthen. A word that is in none of them stands for itself: a text that
claims it must show it. English only. Refuses to know drugs or diseases by name beyond the abbreviations that notes are
full of and of `drug_names`; two drugs are never the same word here.
"""

from __future__ import annotations

from pipeline.text.terms.drug_names import BRANDS


def _words(listed: str) -> frozenset[str]:
    return frozenset(listed.split())


NEUTRAL = _words(
    """
    a an the this that these those it its he she they him her hers his their theirs them himself herself themselves i me
    my we our us you your who whom whose which what there here ones same such both either each any some other others
    another all
    and or as at by for from in into of on onto to with within upon per via over under about around between among
    during while when where whether than then so thus also too plus along together respectively including include
    includes included after before since until through throughout toward towards out up off because due
    is are was were be been being am do does did doing done have has had having will would shall should can could may
    might must need needs needed
    patient patients pt person individual man woman gentleman lady male female
    note notes noted noting record records recorded chart document documents documented documentation documenting report
    reports reported reporting reportedly state states stated stating say says said saying tell tells told mention
    mentions mentioned mentioning describe describes described describing description indicate indicates indicated
    indicating write writes written wrote list lists listed listing summary according accordingly passage passages
    source sources entry document's note's patient's section sections text excerpt statement information details
    confirm confirms confirmed acknowledge acknowledges acknowledged admit admits admitted endorse endorses endorsed
    endorsing affirm affirms affirmed add adds added adding account
    present presents presented presenting presence exist exists existed experience experiences experienced experiencing
    suffer suffers suffered suffering complain complains complained complaining complaint complaints feel feels felt
    feeling undergo undergoes underwent undergone get gets got getting gotten
    show shows showed shown showing reveal reveals revealed demonstrate demonstrates demonstrated demonstrating
    demonstration find finds found finding findings see sees seen saw seeing observe observes observed observation
    identify identified appreciate appreciated detect detected measure measures measured measurement measurements
    reading readings value values level levels result results resulted test tests tested exam exams examination
    examinations examined examine evaluation evaluated assessment assessed review reviewed hear heard
    known history historical hx past medical diagnose diagnosed diagnosis diagnoses significant condition conditions
    issue issues problem problems symptom symptoms sign signs status
    take takes taking taken took use uses used using usage utilize utilizes utilizing utilized receive receives received
    receiving receipt prescribe prescribes prescribed prescribing prescription prescriptions medication medications
    medicine medicines meds med drug drugs agent dose doses dosed dosing dosage dosages strength amount regimen treat
    treats treated treatment treatments treating therapeutic manage managed management plan plans planned planning
    therapy order orders ordered ordering recommend recommends recommended recommending recommendation advise advises
    advised advice instruct instructed instructions instruction encourage encouraged counsel counseled ask asked
    current currently presently now visit visits seen clinic appointment encounter time times day days today's day's
    approximately about roughly around nearly almost estimated estimate total overall general generally
    rate number count date dated old age aged year years
    appears appear appeared seems seem noted given gave specifically additionally furthermore moreover
    rather very quite just only directly regarding concerning relation related relating respect regards case
    provide provides provided make makes made making perform performs performed conduct conducted carry carried
    obtain obtains obtained obtaining
    mr mrs ms miss mx sir madam
    set located involve involves involving involved use
    come comes came coming contain contains contained containing consist consists consisted
    comment comments commented express expresses expressed remark remarked voice voiced share shared
    occur occurs occurred occurring happen happens happened happening lasts lasted lasting
    notice notices noticed noticing develop develops developed developing imaging system systems area areas region
    side sides sided entirely altogether everyone everybody situated understand understands understood explain explains
    explained clarify clarified answer answered pleasant very aforementioned abovementioned overall available visible
    evident apparent name named call called
    """
)
"""May be said of what is cited without standing in it. None of them is a finding, a drug, a place or a direction."""

_SAME = """
    hypertension : htn, hypertensive, high blood pressure, high bp
    bloodpressure : bp, blood pressure, blood pressures
    diabetesmellitus : dm, diabetes mellitus, diabetes, diabetic, diabetics
    diabetesmellitus typetwo : t2dm, dm2, dmii, type two diabetes
    heartfailure : hf, heart failure, cardiac failure
    congestive heartfailure : chf, congestive heart failure, congestive cardiac failure
    coronaryartery disease : cad, coronary artery disease, coronary disease
    heartattack : mi, mis, myocardial infarction, myocardial infarctions, myocardial infarct
    heartattack : heart attack, heart attacks
    heartattack stelevation : stemi, st elevation mi, st elevation myocardial infarction
    heartattack nonstelevation : nstemi, non st elevation mi, non st elevation myocardial infarction
    dyspnea : sob, shortness of breath, short of breath, dyspnoea
    dyspnea : breathless, breathlessness, difficulty breathing, trouble breathing
    heartrate : hr, pulse, pulse rate, heart rate
    respiratoryrate : rr, respiratory rate, respirations, breathing rate
    temperature : temp, temperature, temperatures
    oxygensaturation : spo2, o2 sat, o2 sats, o2 saturation, oxygen saturation, oxygen sat, sao2, pulse ox
    oxygensaturation : pulse oximetry
    pacemaker : pacemaker, pacemakers, pacer, ppm
    ejectionfraction : ef, lvef, ejection fraction, left ventricular ejection fraction
    echocardiogram : echo, tte, echocardiogram, echocardiography, transthoracic echocardiogram
    electrocardiogram : ecg, ekg, electrocardiogram, electrocardiography
    ctscan : ct, ct scan, cat scan, computed tomography
    mriscan : mri, mris, mri scans, mri scan, magnetic resonance imaging
    xray : xray, x ray, x rays, radiograph, radiographs, radiography, film, films, xrays
    ultrasound : us scan, ultrasound, ultrasonography, sonogram, sonography
    copd : copd, chronic obstructive pulmonary disease, chronic obstructive lung disease
    sleepapnea : sleep apnea, sleep apnoea, sleep apneas
    obstructive sleepapnea : osa, obstructive sleep apnea, obstructive sleep apnoea
    apnea : apnea, apnoea
    gerd : gerd, gastroesophageal reflux disease, acid reflux disease, gastroesophageal reflux, gastro esophageal reflux
    gerd : acid reflux, reflux, reflux disease
    atrialfibrillation : afib, a fib, af, atrial fibrillation, atrial fib
    urinarytractinfection : uti, utis, urinary tract infection, urinary tract infections, urinary infection
    urinarytractinfection : bladder infection, bladder infections
    pulmonaryembolism : pe, pulmonary embolism, pulmonary embolus, pulmonary emboli, pulmonary embolisms
    deepveinthrombosis : dvt, deep vein thrombosis, deep venous thrombosis
    costovertebral tender : cva tenderness, cva tender, cva angle tenderness, costovertebral angle tenderness
    stroke : cva, stroke, strokes, cerebrovascular accident
    contraceptive : birth control, contraceptive, contraceptives, contraception
    chronickidneydisease : ckd, chronic kidney disease, chronic renal disease, chronic renal insufficiency
    chronickidneydisease : chronic kidney insufficiency
    endstagekidneydisease : esrd, eskd, end stage renal disease, end stage kidney disease
    prostatichyperplasia : bph, benign prostatic hyperplasia, benign prostatic hypertrophy, prostatic hypertrophy
    prostatichyperplasia : benign prostate hyperplasia
    eczema : eczema, atopic dermatitis
    appendectomy : appendectomy, appendicectomy
    hiv : hiv, human immunodeficiency virus
    depress major : mdd, major depressive disorder, major depression
    anxious generalized : gad, generalized anxiety disorder, generalised anxiety disorder
    pneumothorax : pneumothorax, pneumothoraces, ptx
    intraocularpressure : iop, iops, intraocular pressure, intraocular pressures
    metastasis : metastasis, metastases, metastatic, mets
    lumbarpuncture : lp, lumbar puncture, spinal tap
    cruciateligament anterior : acl, anterior cruciate ligament, anterior cruciate
    cruciateligament posterior : pcl, posterior cruciate ligament, posterior cruciate
    collateralligament medial : mcl, medial collateral ligament
    heartcatheter : heart cath, cardiac cath, heart catheterization, cardiac catheterization
    heartcatheter : cardiac catheterisation, heart catheterisation
    chest xray : cxr
    kidney : kidney, kidneys, renal
    liver : liver, hepatic
    stomach : stomach, gastric, stomachs
    lung : lung, lungs, pulmonary
    heart : heart, cardiac
    hemoglobina1c : a1c, hba1c, hemoglobin a1c, haemoglobin a1c, hemoglobin alc
    hemoglobin : hgb, hb, hemoglobin, haemoglobin
    whitebloodcells : wbc, white count, white cell count
    whitebloodcells : white blood cell count, white blood cells, white blood count, leukocytes
    creatinine : cr, creatinine
    bloodsugar : blood sugar, blood sugars, blood glucose, glucose, sugars
    cholesterol : cholesterol
    bodymassindex : bmi, body mass index
    physicaltherapy : physical therapy, physiotherapy
    illicit : drug use, drug abuse, substance use, substance abuse, street drugs
    illicit : recreational drugs, illicit drugs, illicit drug use, illicit substances, recreational drug use
    rangeofmotion : rom, range of motion
    emergencyroom : er, ed, emergency room, emergency department
    hospital : hospital, hospitalized, hospitalised, hospitalization
    fever : fever, fevers, febrile, pyrexia
    vomit : vomiting, vomited, vomits, vomit, emesis
    nausea : nausea, nauseous, nauseated
    swell : swelling, swollen, swell, swells, edema, oedema, edematous
    pain : pain, pains, painful, ache, aches, aching, discomfort
    abdomen : abdomen, abdominal, belly, abd, abdo
    chest : chest, thoracic
    backpart : back
    low backpart pain : lbp, lumbago
    neck : neck
    shoulder : shoulder, shoulders
    arm : arm, arms, upper extremity, upper extremities, upper limb, upper limbs
    leg : leg, legs, lower extremity, lower extremities, lower limb, lower limbs
    extremity : extremity, extremities, limb, limbs
    headache : headache, headaches, cephalalgia
    dizzy : dizziness, dizzy, lightheaded, lightheadedness
    itch : itching, itchy, pruritus, itches
    bruise : bruising, bruises, ecchymosis
    fatigue : fatigue, fatigued, tired, tiredness
    weak : weakness, weak
    cough : cough, coughing, coughs
    bleed : bleeding, bled, bleeds, hemorrhage, haemorrhage
    diarrhea : diarrhea, diarrhoea, loose stools
    constipate : constipation, constipated
    urinate : urination, urinating, urinate
    allergy : allergy, allergies, allergic
    surgery : surgery, surgeries, surgical, operation, operations, operated, operative
    smoke : smoking, smokes, smoker, smoked, smoke, tobacco use, tobacco smoking
    smoke : tobacco abuse, use tobacco, uses tobacco, using tobacco, used tobacco, tobacco products, smokes tobacco
    tobacco : tobacco
    alcohol : alcohol, etoh, alcoholic
    drink : drink, drinks, drinking, drank
    tumor : tumor, tumors, tumour, tumours
    cancer : cancer, cancers, cancerous
    fracture : fracture, fractured, fractures, broken, fx
    injure : injury, injured, injuries
    infect : infection, infected, infections, infectious
    inflame : inflammation, inflamed, inflammatory, inflammatories
    asthma : asthma, asthmatic
    depress : depression, depressed, depressive
    anxious : anxiety, anxious
    obese : obesity, obese
    pregnant : pregnancy, pregnant
    child : child, children, kids
    influenza : influenza, flu
    covid-19 : covid-19, covid, covid19, sars cov-2
    immunize : immunization, immunizations, immunized, vaccination, vaccinations, vaccinated, vaccine, vaccines
    elevate : elevated, elevation, elevations, high, raised
    low : low, lowered
    normallimits : wnl, within normal limits
    normal : normal, normally, unremarkable
    mild : mild, mildly, slight, slightly
    moderate : moderate, moderately
    severe : severe, severely, severity
    worse : worse, worsen, worsened, worsening, worsens, deteriorated
    better : better, improve, improved, improves, improving, improvement
    stable : stable
    bowelmovement : bm, bms, bowel movement, bowel movements
    bowel : bowel, bowels, intestinal
    byroute oral : po, p.o, by mouth, oral, orally
    intravenous : iv, intravenous, intravenously
    intramuscular : im, intramuscular, intramuscularly
    subcutaneous : sc, sq, subq, subcut, subcutaneous, subcutaneously
    meals : meals, meal, food
    history family : fh, fhx
    followup : follow up, followup, followed up, return, returns, follows up
    doctor : doctor, physician, provider, dr, drs, md
    primarycare : pcp, primary care, primary care physician, primary care provider, primary care doctor
    specialist : specialist
    refer : refer, referred, referral, referrals, refers
    nurse : nurse, nurses, rn, rns
    counselor : counselor, counsellor, therapist
    lastprior : previous, previously, prior, formerly
    comply : compliant, compliance, adherent, adherence
    excise : excised, excision, resected, resection, removal, removed, remove
    excise : extracted, extraction, taken out
    biopsy : biopsy, biopsied, biopsies
    csection : c section, c sections, cesarean section, cesarean sections, caesarean section, cesarean, caesarean
    csection : cesarean delivery, caesarean delivery, lscs
    repair : repair, repaired, repairs
    kneearthroplasty : knee replacement, knee replacements, knee replaced, knee arthroplasty
    kneearthroplasty : knee joint replacement, tka, tkr
    hiparthroplasty : hip replacement, hip replacements, hip replaced, hip arthroplasty, hip joint replacement, tha, thr
    shoulderarthroplasty : shoulder replacement, shoulder replacements, shoulder replaced, shoulder arthroplasty
    replace : replacement, replaced
    weight : weight, weighs, weighed, weigh, weighing, wt
    height : height, tall, ht
    birth : birth, born, delivery, delivered
    die : died, death, deceased, dead, dies, passed away
    live : lives, living, live, resides
    work : work, works, working, employed, job
    retire : retired, retirement
    sleep : sleep, sleeping, slept, sleeps
    eat : eat, eating, ate, eats
    appetite : appetite
    vision : vision, visual, eyesight
    memory : memory
    speech : speech, speaking, speaks
    walk : walk, walking, walks, ambulation, ambulate, ambulates, ambulating, ambulatory, gait
    fall : fall, fell, falls, falling, fallen
    tender : tenderness, tender
    red : redness, red, erythema, erythematous
    wheeze : wheezing, wheezes, wheeze
    crackle : crackles, rales
    murmur : murmur, murmurs
    skin : skin, cutaneous, dermal
    rash : rash, rashes
    lesion : lesion, lesions
    nodule : nodule, nodules, nodular
    mass : mass, masses
    cyst : cyst, cysts, cystic
    lymphnode : lymph node, lymph nodes, node
    lab : lab, labs, laboratory, bloodwork, blood work, blood test, blood tests
    panel : panel, panels
    repeat : repeat, repeated, recheck, rechecked
    monitor : monitor, monitored, monitoring, check, checks, checking, checked, watch, watching, watches
    schedule : schedule, scheduled
    discuss : discussed, discussion, discuss
    refill : refill, refilled, refills
    physicaltherapist : physical therapist
    examphysical : physical exam, physical examination, on exam, on examination
    attend : attends, attending, attended, go, goes, going, went
    travel : traveling, travelling, travel, travels
    hurt : hurt, hurts
    enjoy : enjoys, enjoy, enjoyed, enjoying, likes, hobby, hobbies
    radiotherapy : radiotherapy, radiation therapy, radiation treatment
    hormonereplacement : hrt, hormone replacement, hormone replacement therapy
    hematoma : hematoma, hematomas, haematoma, haematomas
    melena : melena, melaena, black stools, black stool, tarry stools, tarry stool
    forget : forget, forgets, forgot, forgetting
    gain : gain, gained, gains, gaining
    lose : lose, loses, lost, losing, loss
    relieve : relieve, relieved, relief, relieves
    cause : cause, causes, caused, causing
    drain : drain, drained, drains, drainage
    anesthesia : anesthesia, anaesthesia, anesthetic
    bloodloss : ebl, estimated blood loss, blood loss
    bring : bring, brings, bringing, brought
    car : car, motor vehicle, automobile
    mainly : mainly, primarily, mostly, chiefly, predominantly, principally
    help : help, helps, helped, helping, helpful
    wake : woke, awoke, awakens, awakened, wakes, waking, awake
    face : face, facial
    strike : hit, hits, hitting, struck, strike, strikes, striking
    cancer : carcinoma, carcinomas
    drink : drunk, drinker
    ill : ill, sick, illness
    vomit : throw up, throws up, throwing up, threw up
    syncope : syncope, fainting, fainted, faint, passed out, passing out, syncopal
    numb : numbness, numb
    paresthesia : tingling, paresthesia, paresthesias, pins and needles
    tinnitus : tinnitus, ringing in the ears, ringing in her ears, ringing in his ears
    epistaxis : epistaxis, nosebleed, nosebleeds
    urticaria : urticaria, hives
    nephrolithiasis : nephrolithiasis, kidney stone, kidney stones, renal calculus, renal calculi, renal stone
    nephrolithiasis : renal stones
    cholelithiasis : cholelithiasis, gallstone, gallstones
    penicillin : penicillin, penicillins, pcn
    hyperkalemia : hyperkalemia, high potassium
    hyponatremia : hyponatremia, low sodium
    anemia : anemia, anaemia, anemic
    sweat : sweating, sweats, sweat, diaphoresis, diaphoretic
    thrombus : clot, clots, thrombus, thrombi
    desire : want, wants, wanted, wish, wishes, wished, desire, desires, desired
    difficult : difficulty, difficulties, difficult, trouble, troubles
    finish : finish, finished, finishes, completed, completion, ended, concluded
    longstanding : longstanding, long standing, long history, longtime, long term
    recent : recent, recently, lately
    wellcontrolled : well controlled, good control, controlled well, under control, adequately controlled
    poorcontrol : poorly controlled, poor control, uncontrolled, not well controlled
    alone : alone, by himself, by herself, on his own, on her own, on their own
    insert : insert, inserted, insertion, placed, placement, implanted, implantation
    try : try, tries, tried, trying, trial
    blurry : blurry, blurred, blurring
    control : control, controls, controlled, controlling
    dysphagia : dysphagia, difficulty swallowing, trouble swallowing
    insomnia : insomnia, trouble sleeping, difficulty sleeping
    muscl pain : myalgia, myalgias
    joint pain : arthralgia, arthralgias
    mother : mother, mothers, mom, mum, mama
    father : father, fathers, dad, papa
    spouse : spouse, husband, wife
    marry : married, marriage, marry, marries
    premature : premature, prematurely, preterm
    rhinorrhea : rhinorrhea, rhinorrhoea, runny nose
    hyperlipidemia : hyperlipidemia, hyperlipidaemia, hld, high cholesterol, elevated cholesterol, hypercholesterolemia
    hyperlipidemia : elevated lipids, high lipids, dyslipidemia, raised cholesterol
    hypothyroid : hypothyroidism, hypothyroid, underactive thyroid
    hyperglycemia : hyperglycemia, hyperglycaemia, high blood sugar, high blood sugars, high blood glucose
    hypoglycemia : hypoglycemia, hypoglycaemia, low blood sugar, low blood sugars, low blood glucose
    hypotension : hypotension, hypotensive, low blood pressure
    hematuria : hematuria, haematuria, blood in urine, blood in the urine, blood in her urine, blood in his urine
    tia : tia, tias, transient ischemic attack, transient ischemic attacks, mini stroke, mini strokes
    bypasssurgery : cabg, cabgs, coronary artery bypass graft, coronary artery bypass grafting, bypass surgery
    bypasssurgery : coronary artery bypass, coronary artery bypass surgery, coronary artery bypass grafts
    bypasssurgery : coronary bypass, coronary bypass surgery, coronary bypass grafting, coronary bypass graft
    bypasssurgery : heart bypass, heart bypass surgery, cardiac bypass, cardiac bypass surgery, aortocoronary bypass
    bypasssurgery : bypass heart surgery
    ureter : ureter, ureters, ureteral, ureteric
    stone : stone, stones
    stresstest : stress test, stress tests, stress testing
    skintest : skin test, skin tests, skin testing
    hearingtest : hearing test, hearing tests, hearing exam
    eyeexam : eye exam, eye exams, eye examination
    allergytest : allergy test, allergy tests, allergy testing
    tuballigation : tubal ligation, tubal ligations, btl, tubes tied
    herniarepair : hernia repair, hernia repairs, herniorrhaphy, hernioplasty, hernia surgery, hernia operation
    lupus : lupus, sle, systemic lupus erythematosus
    irritablebowel : ibs, irritable bowel syndrome, irritable bowel
    pneumonia : pneumonia, pneumonias, pna
    migraine : migraine, migraines
    hyperthyroid : hyperthyroidism, hyperthyroid, overactive thyroid
    peripheralvascular : pvd, pad, peripheral vascular disease, peripheral arterial disease, peripheral artery disease
    urology : urology, urologist, urologists, urologic, urological
    cardiology : cardiology, cardiologist, cardiologists
    neurology : neurology, neurologist, neurologists
    nephrology : nephrology, nephrologist, nephrologists
    gastroenterology : gastroenterology, gastroenterologist, gastroenterologists
    pulmonology : pulmonology, pulmonologist, pulmonologists
    orthopedics : orthopedics, orthopaedics, ortho, orthopedist, orthopaedist, orthopedic, orthopaedic, orthopedists
    dermatology : dermatology, dermatologist, dermatologists
    ophthalmology : ophthalmology, ophthalmologist, ophthalmologists
    podiatry : podiatry, podiatrist, podiatrists
    psychiatry : psychiatry, psychiatrist, psychiatrists
    psychology : psychology, psychologist, psychologists
    endocrinology : endocrinology, endocrinologist, endocrinologists
    rheumatology : rheumatology, rheumatologist, rheumatologists
    hematology : hematology, haematology, hematologist, haematologist, hematologists
    oncology : oncology, oncologist, oncologists
    gynecology : gynecology, gynaecology, gynecologist, gynaecologist, gyn
    otolaryngology : otolaryngology, otolaryngologist, ent, ear nose and throat
    dietitian : dietitian, dietician, nutritionist
    genetics : genetics, geneticist, geneticists
    allergist : allergist, allergists
    bloodcount : cbc, complete blood count
    metabolicpanel : cmp, comprehensive metabolic panel
    osteoarthritis : osteoarthritis, oa, degenerative arthritis
    epilepsy : epilepsy, epileptic, epileptics, seizure disorder, seizure disorders
    sleepapnea : osa, obstructive sleep apnea
    prostatichyperplasia : bph, benign prostatic hyperplasia, benign prostatic hypertrophy
    renaldiseaseendstage : esrd, end stage renal disease, end stage kidney disease
    supraventriculartachycardia : svt, supraventricular tachycardia
    defibrillator : icd, implantable cardioverter defibrillator
    antiinflammatory : nsaid, nsaids, nonsteroidal anti inflammatory drug, nonsteroidal anti inflammatory drugs
    thyroidstimulating : tsh, thyroid stimulating hormone
    prostateantigen : psa, prostate specific antigen
    intensivecare : icu, intensive care unit, intensive care
    appendectomy : appendectomy, appendix removed, appendix removal, appendix out, appendix taken out
    appendectomy : appendix operation, appendix surgery
    cholecystectomy : cholecystectomy, gallbladder removed, gallbladder removal, gallbladder out
    cholecystectomy : gallbladder taken out, gallbladder operation, gallbladder surgery
    tonsillectomy : tonsillectomy, tonsils removed, tonsils out, tonsils taken out
    hysterectomy : hysterectomies, tah, tlh, tvh
    hysterectomy : hysterectomy, uterus removed, womb removed
    oxygen : oxygen, o2
    catheterization : cath, caths, catheterization, catheterizations, catheterisation
    mammoplasty : mammoplasty, mammaplasty
    menstrualperiod : lmp, last menstrual period, menstrual period, menstrual periods
    jugularvenousdistention : jvd, jugular venous distention, jugular venous distension
    intact : intact
    clear : clear
    alert : alert
    orient : oriented, orientation
    """
"""Canonical words before the colon, spellings after it. Never two things that a dose, a side or a mood tells apart."""

_NEGATED = """
    nkda : allergy
    nka : allergy
    afebrile : fever
    asymptomatic : symptomatic
    painless : pain
    nonsmoker : smoke
    nondiabetic : diabetesmellitus
    unchanged : change
    nontender : tender
    noncompliant : comply
    inconsistent : consistent
    atraumatic : traumatic
    anicteric : icteric
    unemployed : work
    unmarried : married
    unable : able
    abnormal : normal
    incomplete : complete
    unstable : stable
    untreated : untreated
    """
"""Words that deny what another says."""


def _phrases(listed: str) -> dict[tuple[str, ...], tuple[str, ...]]:
    found = {}
    for line in listed.strip().splitlines():
        canonical, _, spellings = line.partition(":")
        for spelling in spellings.split(","):
            found[tuple(spelling.split())] = tuple(canonical.split())
    return found


_ALL = _phrases(_SAME + BRANDS)
SAME_WORD = {spelling[0]: said for spelling, said in _ALL.items() if len(spelling) == 1}
"""Canonical words by spelling."""
SAME_WORD |= {said[0]: said for said in _ALL.values() if len(said) == 1 and said[0] not in SAME_WORD}
SAME_PHRASE: dict[str, list[tuple[tuple[str, ...], tuple[str, ...]]]] = {}
"""(words, canonical words) by first word, longest first."""
for _spelling, _said in sorted(_ALL.items(), key=lambda entry: -len(entry[0])):
    if len(_spelling) > 1:
        SAME_PHRASE.setdefault(_spelling[0], []).append((_spelling, _said))
SPELLINGS: dict[str, frozenset[str]] = {}
"""Every word of every spelling, by canonical word."""
for _spelling, _said in _ALL.items():
    for _word in _said:
        SPELLINGS[_word] = SPELLINGS.get(_word, frozenset()).union(_spelling)
DENYING = {
    word.strip(): said.strip()
    for word, _, said in (line.partition(":") for line in _NEGATED.strip().splitlines())
}
"""What a word like "afebrile" denies."""

NEGATIONS = _words(
    "no not none never without denies denied deny denying negative absent absence nor neither cannot nothing nobody "
    "unlikely lack lacks lacked lacking declines declined decline refuses refused refuse free hardly ruled excluded "
    "excludes excluding nil neg non"
)
LIST_ENDS_NEGATION = _words("but however although though except aside apart nevertheless yet")
CIRCUMSTANCES = _words("after before during since when while because due until following")
"""What follows these is not denied with what stands before them: "no bleeding after surgery"."""
CLAUSE_VERBS = _words(
    "has have had is are was were takes took taking reports reported states stated says said uses continues continued "
    "complains presents presented describes endorses endorsed admits lives drinks smokes works will should can "
    "does did do notes noted appears remains shows showed revealed demonstrates received underwent weighs plans feels "
    "would may might needs wants requires started began increased decreased stopped gained lost positive"
)
SUBJECTS = _words("he she it they there patient pt we i his her their the this")

ORDERS = {
    word: order
    for order, words in {
        "start": "start starts started starting begin begins began begun beginning initiate initiates initiated "
        "initiating initiation commence commenced onset",
        "stop": "stop stops stopped stopping discontinue discontinues discontinued discontinuing discontinuation "
        "dc dc'd quit quits cease ceased ceases cessation resolve resolved resolves resolution withdrawn rescinded "
        "revoked",
        "hold": "hold holds held holding withhold withheld pause paused",
        "increase": "increase increases increased increasing raise raises raising uptitrate uptitrated double doubled "
        "↑",
        "decrease": "decrease decreases decreased decreasing reduce reduces reduced reducing reduction taper tapered "
        "tapering halve halved wean weaned weaning ↓",
        "continue": "continue continues continued continuing maintain maintains maintained resume resumes resumed "
        "remain remains remained still keep keeps",
        "give": "give administer administers administered administering inject injected injection infuse infused",
        "switch": "switch switched switches substitute substituted",
        "avoid": "avoid avoids avoiding avoided contraindicated",
    }.items()
    for word in words.split()
}
"""What is to be done, or was done, with what stands next to the word."""
CHANGING = _words("change changed changes converted transitioned")
"""From one thing to another: the first is no more."""
TAKING = _words(
    "take takes taking took taken use uses using used receives receive receiving prescribed given on"
)

RELATIVES = _words(
    "mother father mom dad parent parents brother brothers sister sisters sibling siblings son sons daughter daughters "
    "children aunt aunts uncle uncles grandmother grandfather grandparent grandparents cousin cousins niece nephew "
    "family familial maternal paternal wife husband spouse mothers fathers mum mama papa moms dads grandma grandpa "
    "grandmothers grandfathers grandparents grandson grandsons granddaughter granddaughters grandchild grandchildren "
    "nieces nephews relative relatives stepmother stepfather stepbrother stepsister sib sibs parental wives husbands "
    "partner fiance fiancee boyfriend girlfriend roommate coworker friend friends neighbor"
)
OTHERS = _words(
    "caregiver caregivers caretaker caretakers donor donors fetus foetus fetuses dog dogs cat cats classmate "
    "classmates housemate flatmate babysitter"
)
"""Who is not the patient either, where a verb follows at once: "the donor was CMV positive"."""
OTHER_PEOPLE = _words(
    "driver drivers vehicle vehicles car cars passenger passengers patient patients resident residents person people "
    "man woman child children individual player"
)
"""Who is not the patient where "other" or "another" stands before it."""
CLINICIANS = _words(
    "dr drs doctor doctors physician physicians surgeon nurse provider pcp md rn therapist pharmacist"
)
"""Who is not the patient where the word, or the name after it, is said to have something: "Dr. Hill has diabetes"."""
CLINICIAN_HAS = _words("has had have suffers suffered")
LIVING_VERBS = _words("smokes smoked drinks drank takes weighs developed tested contracted ran coughs")
"""What relatives and others do, besides the verbs of theirs: none of them is done to the patient."""
WHOSE = _words("a both his her maternal my paternal patient's the their")
"""What stands before a relative."""
RELATIVE_VERBS = _words(
    "has had have died with was were is are also suffered suffers diagnosed history significant positive of"
)
MATTERS = _words(
    "problem problems complaint complaints symptom symptoms issue issues medication medications finding findings"
)
"""What is denied of a patient who has none, without a name."""
DENIED_AS_SUCH = MATTERS | _words("plan plans treatment therapy prescription")
"""Claims nothing by itself, and is not said to be where the source says that there is none."""
HEDGES = _words(
    "possible possibly suspected suspicion suspicious questionable probable probably likely may might versus vs if "
    "presumed presumably potential potentially unclear differential consider considered poss susp query perhaps "
    "suspect suspects thought believed suggests suggest suggested suggesting suggestive facilitate "
    "prevent prevents preventing hope hopes hopefully request requests requested requesting equivocal indeterminate "
    "inconclusive doubtful doubt doubts uncertain"
)
DOUBTED_BY = {
    **dict.fromkeys("probability likelihood possibility".split(), ("of", "for", "that")),
    "rule": ("out",),
    "risk": ("of", "for", "factors", "factor"),
    "screening": ("for",),
    "screened": ("for",),
    "workup": ("for", "of"),
    **dict.fromkeys(
        "eval evaluate evaluated evaluation evaluating assess assessed assessment assessing test tested testing tests "
        "check checked checking look looking monitor monitored monitoring watch watching screen screens asked "
        "asks".split(),
        ("for",),
    ),
    "concern": ("for", "of"),
    "concerns": ("for", "of"),
    "concerning": ("for",),
    "worried": ("about",),
    "fear": ("of",),
}
"""A doubt where one of these follows: a risk of stroke is no stroke."""
ALTERED_BY = {
    **dict.fromkeys("exposed exposure".split(), ("to",)),
    **dict.fromkeys(
        "vaccinated vaccination vaccine vaccines immunized immunization".split(), ("against", "for")
    ),
    **dict.fromkeys("educated education".split(), ("about", "on", "regarding")),
    **dict.fromkeys("call calls".split(), ("for", "if", "with")),
    "contact": ("with",),
    "loss": ("of",),
    "prophylaxis": ("for", "against"),
    "instead": ("of",),
    "place": ("of",),
    "ran": ("out",),
    "rather": ("than",),
    **dict.fromkeys(
        "goal goals target offered supposed forgot forgets missed intolerant intolerance "
        "failed fails naive remission cancelled canceled postponed deferred".split(),
        (),
    ),
}
"""Makes another thing of what it stands next to, and is said itself; some only where a word follows: "exposed to"."""
SIDES = {
    "left": "left",
    "leftsided": "left",
    "right": "right",
    "rightsided": "right",
    "bilateral": "both",
    "bilaterally": "both",
}
NO_SIDE_AFTER = {
    "right": _words("away now after before handed hand-dominant"),
    "left": _words("the his her against home ama without in open intact alone behind untreated"),
}
TYPED = _words("grade stage type class category degree level phase nyha asa")
"""Before these a Roman number is a number."""
BREAKS = _words("but however although though except while whereas")
PLANS = _words(
    "recommend recommends recommended advise advises advised advice should must need needs plan plans planned "
    "planning order "
    "orders ordered ordering schedule scheduled will would encourage encouraged instruct instructed"
)
DONE = _words(
    "performed underwent undergone conducted done completed received administered given gave had obtained got"
)
"""What has happened, and not only been planned."""
HAPPENED = DONE | _words(
    "provided taken seen saw showed shows shown revealed reveals demonstrated demonstrates found"
)
REMEDIES = _words(
    "medication medications medicine medicines meds drug drugs treatment treatments treated therapy agent regimen "
    "prescription prescriptions prescribed"
)
SHOWING_PLANS = (
    PLANS
    | ORDERS.keys()
    | _words(
        "refer referred referral repeat obtain follow return to please consider want we'll i'll he'll she'll try next "
        "importance important goal"
    )
    | {"follow up", "follows up"}
)
"""One of these stands where something is to be done."""
PAST = _words("history hx past ago former formerly prior previous previously remote distant childhood ex")
"""What stands next to one of these was; whether it still is, is not said."""
NOW = _words("current currently presently now active actively ongoing")
AHEAD = _words("will would if")
"""Nothing has begun yet where one of these stands next to an order."""
ENDED = _words("off finished finishing completed completing")
"""Who did so with a drug takes it no more."""
OVER = _words("ago former formerly past ex")
HABITS = _words("smoke tobacco drink alcohol illicit")
"""Canonical; what a person did and does not do is no longer said in the present."""
PLACING = _words(
    "in on at during after before for with within by over under from to through regarding concerning once since "
    "until as of"
)
"""Words that open a phrase of circumstance."""
ABBREVIATED = {
    "r/o": "rule out",
    "w/o": "without",
    "w/out": "without",
    "(-)": "no",
    "-ve": "negative",
    "d/c": "dc",
    "d/c'd": "dc'd",
    "w/u": "workup",
    "f/u": "follow up",
    "h/o": "history of",
    "c/o": "complains of",
    "s/p": "status post",
    "b/l": "bilateral",
}
"""What is written with a sign in it, and is no word before it is spelled out."""
UNIVERSAL = {
    **dict.fromkeys(
        ("all", "every", "each", "entire", "entirely"), _words("some few several most mostly partly half")
    ),
    "both": _words("one"),
}
"""What says that it is so of everything, and what in the source says that it is not."""
EXCEPTING = _words("except excepting aside apart besides")
TOLERATED = _words("tolerates tolerated tolerating tolerate")
OPPOSITES = {"before": "after", "after": "before", "above": "below", "below": "above", "prior": "after"}
