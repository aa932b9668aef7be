"""First pages of documents of a hospital, written for the tests, with what each of them says of itself."""

from __future__ import annotations

from dataclasses import dataclass

Expected = str | None


@dataclass(frozen=True)
class LibraryPage:
    name: str
    text: str
    document_type: Expected
    language: Expected
    title: Expected = None
    date: Expected = None
    version: Expected = None
    department: Expected = None


PAGES = (
    LibraryPage(
        "sepsis-guideline",
        """Department of Emergency Medicine
Guideline for the early management of sepsis in adults
Version 3.1    Effective date: 12 March 2024    Next review: March 2027

Summary of recommendations
We recommend that blood cultures are taken before antibiotics are given. (Strong recommendation, moderate quality of
evidence.) We suggest balanced crystalloids rather than saline.""",
        "guideline",
        "en",
        "Guideline for the early management of sepsis in adults",
        "2024-03-12",
        "3.1",
        "Department of Emergency Medicine",
    ),
    LibraryPage(
        "lumbar-puncture-sop",
        """Standard Operating Procedure: Lumbar puncture
Document owner: A. Reader. Approved by the Clinical Standards Group on 2023-11-02. Revision 4
Purpose
This procedure describes how a lumbar puncture is done on the wards.
Scope
All medical staff.
1. Explain the procedure and obtain consent.
2. Place the patient on the left side.""",
        "protocol",
        "en",
        "Standard Operating Procedure: Lumbar puncture",
        "2023-11-02",
        "4",
    ),
    LibraryPage(
        "clinic-letter",
        """St Brendan Hospital
Cardiology Department
14 June 2022

Dear Dr Hall,
Re: Palpitations and a family history of cardiomyopathy

Thank you for referring this 44-year-old woman, whom I saw in clinic on 8 June 2022. Her echocardiogram follows the
protocol of our unit and was normal.

Yours sincerely,
Consultant cardiologist""",
        "letter",
        "en",
        "Palpitations and a family history of cardiomyopathy",
        None,
        None,
        "Cardiology Department",
    ),
    LibraryPage(
        "knee-leaflet",
        """Information for patients
Having a knee arthroscopy
What is a knee arthroscopy?
It is an operation in which the surgeon looks into your knee with a small camera. You may have some pain in your knee
for a week. Ask your doctor before you drive. If you have a fever, call the ward.
Last updated: May 2021""",
        "leaflet",
        "en",
        "Information for patients",
        "2021-05",
    ),
    LibraryPage(
        "ct-report",
        """CT of the abdomen
Clinical history: pain in the right upper quadrant.
Technique: portal venous phase.
Findings: The gallbladder is thick-walled and holds stones. No free fluid.
Impression: Acute cholecystitis.""",
        "report",
        "en",
        "CT of the abdomen",
    ),
    LibraryPage(
        "infection-annual-report",
        """Annual report on infection prevention 2022/23
Executive summary
There were twelve cases of Clostridioides difficile, four fewer than in the year before. Hand hygiene was audited on
every ward. Published: 30 September 2023.""",
        "report",
        "en",
        "Annual report on infection prevention 2022/23",
        "2023-09-30",
    ),
    LibraryPage(
        "trial-article",
        """Early mobilisation after hip fracture: a randomised trial
Abstract
Background: Patients stay in bed for days after the operation.
Methods: We randomised 212 patients to walking on the first day or to usual care.
Results: Length of stay fell by 2.1 days (p < 0.01).
Conclusions: Early walking is safe. doi:10.1000/example.2019.17
Received 3 January 2019; published 18 July 2019""",
        "article",
        "en",
        "Early mobilisation after hip fracture: a randomised trial",
        "2019-07-18",
    ),
    LibraryPage(
        "mri-form",
        """MRI safety questionnaire
Please complete all sections and sign.
Name: ______________________
Date of birth: _____________
Do you have a pacemaker?  ☐ Yes  ☐ No
Signature
Form version 2.0, issued 04/2020""",
        "form",
        "en",
        "MRI safety questionnaire",
        "2020-04",
        "2.0",
    ),
    LibraryPage(
        "ambiguous-date",
        """Anticoagulation clinic protocol
Version: 1.2
Date: 03/04/2021
Step 1 Check the INR before each dose. The patient is asked about bleeding and about other drugs.""",
        "protocol",
        "en",
        "Anticoagulation clinic protocol",
        None,
        "1.2",
    ),
    LibraryPage(
        "birth-date-only",
        """Discharge summary
Date of birth: 2 May 1951
Admission date: 3 August 2020
Discharge diagnosis: pneumonia. The patient was treated with amoxicillin and went home with her daughter.""",
        "report",
        "en",
        "Discharge summary",
        None,
    ),
    LibraryPage(
        "review-date-only",
        """Policy for visitors
Review date: 1 January 2026
Visitors may come between two and eight o'clock. They wash their hands when they enter and when they leave the ward.""",
        None,
        "en",
        "Policy for visitors",
        None,
    ),
    LibraryPage(
        "second-edition",
        """Handbook of paediatric dosing
Second edition
This book lists the doses of drugs for children by weight. It is for the use of the pharmacy and of the wards.""",
        None,
        "en",
        "Handbook of paediatric dosing",
        None,
        "Second edition",
    ),
    LibraryPage(
        "menu",
        "Menu of the canteen\nMonday: soup and bread\nTuesday: pasta\nWednesday: fish with potatoes",
        None,
        "en",
        "Menu of the canteen",
    ),
    LibraryPage(
        "leitlinie",
        """Klinik für Innere Medizin
Leitlinie zur Behandlung der Hypertonie
Fassung 2.0, Stand: 15.01.2023
Ein Blutdruck über 140/90 mmHg wird behandelt. Empfohlen werden ACE-Hemmer oder ein Diuretikum. Die Werte sind nach vier
Wochen zu kontrollieren. Nächste Überprüfung: 15.01.2026""",
        "guideline",
        "de",
        "Leitlinie zur Behandlung der Hypertonie",
        "2023-01-15",
        "2.0",
        "Klinik für Innere Medizin",
    ),
    LibraryPage(
        "arztbrief",
        """Sehr geehrte Frau Kollegin,
Betreff: Verlauf nach Kniegelenksersatz
wir berichten über die Patientin, die sich vom 3. bis zum 12. Mai 2022 bei uns in stationärer Behandlung befand. Der
Verlauf war ohne Komplikationen.
Mit freundlichen Grüßen""",
        "letter",
        "de",
        "Verlauf nach Kniegelenksersatz",
        "2022-05-12",
    ),
    LibraryPage(
        "merkblatt",
        """Patienteninformation: Magenspiegelung
Vor der Untersuchung dürfen Sie sechs Stunden nichts essen. Fragen Sie Ihren Arzt, wenn Sie Blutverdünner nehmen. Nach
der Untersuchung sind Sie für einen Tag nicht fahrtüchtig. Bitte lassen Sie sich abholen.""",
        "leaflet",
        "de",
        "Patienteninformation: Magenspiegelung",
    ),
    LibraryPage(
        "protocolo-sepse",
        """Serviço de Terapia Intensiva
Protocolo de sepse
Versão 1.3    Data: 05/08/2022
Objetivo
Este protocolo descreve o atendimento do paciente com sepse na unidade. As culturas são colhidas antes do antibiótico e
o lactato é medido em até uma hora.""",
        "protocol",
        "pt",
        "Protocolo de sepse",
        "2022-08-05",
        "1.3",
        "Serviço de Terapia Intensiva",
    ),
    LibraryPage(
        "carta",
        """Prezado colega,
Assunto: Avaliação cardiológica
Encaminho o paciente para avaliação. Ele não tem dor no peito e faz uso de losartana. O exame físico é normal e não há
sinais de insuficiência cardíaca.
Atenciosamente,""",
        "letter",
        "pt",
        "Avaliação cardiológica",
    ),
    LibraryPage(
        "laudo",
        """Laudo de ressonância magnética
Achados: O joelho direito tem derrame articular. Não há lesão dos meniscos nem dos ligamentos.
Conclusão: Derrame articular.
Emitido em 12 de março de 2021""",
        "report",
        "pt",
        "Laudo de ressonância magnética",
        "2021-03-12",
    ),
    LibraryPage(
        "recommandations",
        """Recommandations pour la prise en charge de l'asthme de l'enfant
Publié le 4 avril 2020
Les corticoïdes inhalés sont le traitement de fond. Il est recommandé de vérifier la technique d'inhalation à chaque
visite, et de ne pas arrêter le traitement sans l'avis du médecin.""",
        "guideline",
        "fr",
        "Recommandations pour la prise en charge de l'asthme de l'enfant",
        "2020-04-04",
    ),
    LibraryPage(
        "compte-rendu",
        """Service de Radiologie
Compte rendu de scanner thoracique
Résultats : Il n'y a pas d'embolie pulmonaire. Les poumons sont normaux, sans épanchement.
Conclusion : examen normal.""",
        "report",
        "fr",
        "Compte rendu de scanner thoracique",
        None,
        None,
        "Service de Radiologie",
    ),
    LibraryPage(
        "guia",
        """Guía de práctica clínica de la diabetes tipo 2
Fecha: 10/11/2019   Versión 5
Se recomienda la metformina como primer tratamiento en los pacientes que no tienen una contraindicación. La hemoglobina
glucosilada se mide cada tres meses.""",
        "guideline",
        "es",
        "Guía de práctica clínica de la diabetes tipo 2",
        "2019-11-10",
        "5",
    ),
    LibraryPage(
        "folleto",
        """Información para pacientes: la colonoscopia
La colonoscopia es una prueba en la que se mira el intestino con una cámara. Pregunte a su médico si toma
anticoagulantes. No coma nada sólido desde el día anterior y beba el preparado como se le indica.""",
        "leaflet",
        "es",
        "Información para pacientes: la colonoscopia",
    ),
    LibraryPage(
        "italiano",
        """Istruzioni per la preparazione della colonscopia
Il paziente non deve mangiare cibi solidi dal giorno prima. La soluzione si beve in due dosi, una la sera e una la
mattina dell'esame. È possibile bere acqua fino a due ore prima.""",
        None,
        "it",
        "Istruzioni per la preparazione della colonscopia",
    ),
    LibraryPage(
        "nederlands",
        """Voorbereiding op een operatie
U mag vanaf zes uur voor de operatie niet meer eten. Neem uw medicijnen in met een slok water. Na de operatie wordt u
naar de uitslaapkamer gebracht, en u kunt dan bezoek krijgen van een familielid.""",
        None,
        "nl",
        "Voorbereiding op een operatie",
    ),
)
WRITTEN_LATER = (
    LibraryPage(
        "stroke-pathway",
        """North Shire University Hospital
Acute stroke pathway
Issued: 1st February 2025. Version 6.0. Supersedes version 5 of 2021.
Indications
Any adult with a new weakness of the face, an arm or a leg.
1. Call the stroke team.
2. Request a CT of the head within twenty minutes.""",
        "protocol",
        "en",
        "Acute stroke pathway",
        "2025-02-01",
        "6.0",
    ),
    LibraryPage(
        "ketamine-guidance",
        """Guidance on ketamine for acute pain
Division of Anaesthesia
Approved: 20 October 2023
Doses of 0.1 to 0.3 mg/kg are recommended. The quality of evidence is low for doses above.
Blood pressure is watched.""",
        "guideline",
        "en",
        "Guidance on ketamine for acute pain",
        "2023-10-20",
        None,
        "Division of Anaesthesia",
    ),
    LibraryPage(
        "referral",
        """Dear colleague,
I am writing about a man of 61 years who has had a hoarse voice for six weeks. He smokes. Could you see him soon?
Kind regards,
General practitioner
5 November 2024""",
        "letter",
        "en",
        None,
        "2024-11-05",
    ),
    LibraryPage(
        "inhaler-leaflet",
        """How to use your inhaler
You can take the lid off with one hand. Breathe out. You should hold your breath for ten seconds. Talk to your
pharmacist if your inhaler rattles or is empty.
Reviewed by the respiratory nurses, June 2020""",
        "leaflet",
        "en",
        "How to use your inhaler",
        "2020-06",
    ),
    LibraryPage(
        "pathology",
        """Department of Pathology
Histology of the skin, left forearm
Clinical information: pigmented lesion.
Findings: Junctional naevus without atypia.
Conclusion: Benign. Completely excised.
Reported 9 September 2019""",
        "report",
        "en",
        "Histology of the skin, left forearm",
        "2019-09-09",
        None,
        "Department of Pathology",
    ),
    LibraryPage(
        "review-article",
        """Delirium in intensive care: a review of prevention
Keywords: delirium, sleep, sedation
Introduction
Delirium is common in patients who are ventilated, and those who have it stay longer (Smith et al 2015).
Methods
We searched three databases.""",
        "article",
        "en",
        "Delirium in intensive care: a review of prevention",
    ),
    LibraryPage(
        "consent",
        """Consent to anaesthesia
I agree to general anaesthesia. I consent to a blood transfusion if it is needed.
Signature of the patient ____________   Date ________
Please sign both copies.""",
        "form",
        "en",
        "Consent to anaesthesia",
    ),
    LibraryPage(
        "minutes",
        """Minutes of the drugs committee
Present: the chair and six members. The committee spoke about the price of biosimilars and will meet again in May.""",
        None,
        "en",
        "Minutes of the drugs committee",
    ),
    LibraryPage(
        "verfahrensanweisung",
        """Verfahrensanweisung Händehygiene
Version 4    gültig ab 01.07.2021    gültig bis 30.06.2024
Zweck
Diese Anweisung beschreibt, wann und wie die Hände desinfiziert werden. Sie gilt für alle
auf den Stationen.""",
        "protocol",
        "de",
        "Verfahrensanweisung Händehygiene",
        "2021-07-01",
        "4",
    ),
    LibraryPage(
        "diretriz",
        """Diretriz de profilaxia de tromboembolismo venoso
Publicado em 10 de maio de 2018. 2ª edição
Recomenda-se avaliar o risco de cada paciente na admissão. A heparina não é indicada para pacientes com sangramento
e deve ser suspensa se as plaquetas caírem.""",
        "guideline",
        "pt",
        "Diretriz de profilaxia de tromboembolismo venoso",
        "2018-05-10",
        "2ª edição",
    ),
    LibraryPage(
        "formulaire",
        """Formulaire d'admission
Nom : ____________________
Prénom : _________________
Avez-vous une allergie à un médicament ? ☐ oui ☐ non
Je suis d'accord pour que les résultats soient envoyés à mon médecin.""",
        "form",
        "fr",
        "Formulaire d'admission",
    ),
    LibraryPage(
        "informe",
        """Informe de alta
Servicio de Neurología
Fecha de nacimiento: 03/02/1960
El paciente ingresó por una crisis y está sin síntomas desde el segundo día. Se va a su casa con levetiracetam y con una
cita en la consulta.
Fecha: 21/06/2023""",
        "report",
        "es",
        "Informe de alta",
        "2023-06-21",
        None,
        "Servicio de Neurología",
    ),
)
"""Not looked at while the rules were written: what is right of these is in docs/documents.md."""
