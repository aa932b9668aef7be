"""Draws the films of the demonstration and the table beside them: `python -m tools.phantoms [FOLDER]`.

No one was exposed to a beam for them: each is a phantom, drawn so that it shows what a demonstration note says of a
film, and no more. Decides which note gets which film. A date stands only where the note names the day of the film.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from tools.phantoms.chest import Chest, chest
from tools.phantoms.dicom import Header, write_dicom
from tools.phantoms.limbs import (
    Knee,
    broken_finger_from_front,
    broken_finger_from_side,
    broken_wrist_from_side,
    knee_from_front,
    knee_from_side,
)
from tools.phantoms.projection import BITS, Film
from tools.phantoms.slices import (
    PIXEL_OF_ABDOMEN,
    PIXEL_OF_HEAD,
    SLICE_COUNT,
    SLICE_SPACING,
    STONE_SLICE,
    abdomen,
    head,
)
from tools.phantoms.spine import neck_from_side

FOLDER = Path(__file__).resolve().parents[2] / "pipeline" / "demo" / "films"
TABLE = "films.csv"


@dataclass(frozen=True, slots=True)
class Phantom:
    """An image of the demonstration; `findings` in the words of its note."""

    name: str
    pixels: NDArray[Any]
    header: Header
    findings: str = ""

    @property
    def row(self) -> dict[str, str]:
        """As `vectorize images --metadata` reads it."""
        said = self.header
        return {
            "image": self.name,
            "patient": said.patient_id,
            "date": said.date,
            "modality": said.modality,
            "body_part": said.body_part,
            "view": said.view,
            "laterality": said.laterality,
            "description": said.description,
            "findings": self.findings,
            "report": f"aci-{said.patient_id}",
        }


def main(folder: Path = FOLDER) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    drawn = list(phantoms())
    for phantom in drawn:
        write_dicom(folder / phantom.name, phantom.pixels, phantom.header)
    with (folder / TABLE).open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, list(drawn[0].row), lineterminator="\n")
        table.writeheader()
        table.writerows(phantom.row for phantom in drawn)


def phantoms() -> Iterator[Phantom]:
    yield from _knees()
    yield from _hands()
    yield from _chests()
    yield _neck()
    yield _head()
    yield from _abdomen()


def _knees() -> Iterator[Phantom]:
    def knee(patient: str, name: str, view: str, film: Film, findings: str, number: int = 1) -> Phantom:
        header = _film_header(patient, name, "KNEE", view, "R", film, number)
        side = "ap" if view == "AP" else "lateral"
        return _film(f"knee-{patient}-{side}.dcm", film, header, findings)

    worn = Knee(arthritis=True)
    yield knee("D2N002", "Perez^Andrew", "AP", knee_from_front(Knee()), "unremarkable")
    yield knee("D2N006", "Mitchell^Anna", "AP", knee_from_front(worn), "residual arthritis")
    yield knee("D2N006", "Mitchell^Anna", "LATERAL", knee_from_side(worn), "residual arthritis", number=2)
    yield knee("D2N061", "Phillips^Virginia", "LATERAL", knee_from_side(Knee(effusion=True)), "effusion")


def _hands() -> Iterator[Phantom]:
    for number, (side, view, film) in enumerate(
        (("pa", "PA", broken_finger_from_front()), ("lateral", "LATERAL", broken_finger_from_side())), start=1
    ):
        header = _film_header("D2N005", "Hill", "FINGER", view, "R", film, number)
        yield _film(f"finger-D2N005-{side}.dcm", film, header, "comminuted distal phalanx fracture")
    film = broken_wrist_from_side()
    header = replace(_film_header("D2N077", "Scott^Diana", "WRIST", "LATERAL", "R", film), date="2022-05-13")
    yield _film("wrist-D2N077-lateral.dcm", film, header, "fracture|dorsal angulation|ulnar styloid fracture")


def _chests() -> Iterator[Phantom]:
    overblown, wet = Chest(dome=7, bottom=140, heart=0.8), Chest(heart=1.15, fluid=1.0)
    for patient, name, kind, findings in (
        ("D2N012", "Fisher^Joseph", Chest(), "unremarkable"),
        ("D2N015", "", overblown, "flattening of the diaphragm"),
        ("D2N068", "White^Brian", wet, "fluid of the lungs"),
    ):
        film = chest(kind, seed=int(patient[-3:]))
        yield _film(
            f"chest-{patient}-pa.dcm", film, _film_header(patient, name, "CHEST", "PA", "", film), findings
        )


def _neck() -> Phantom:
    film = neck_from_side()
    header = replace(_film_header("D2N026", "Clark", "CSPINE", "LATERAL", "", film), date="2021-06-04")
    return _film("cervical-spine-D2N026-lateral.dcm", film, header, "disc degeneration|facet arthropathy")


def _film_header(
    patient: str, name: str, part: str, view: str, side: str, film: Film, number: int = 1
) -> Header:
    middle = 2.0 ** (BITS - 1)
    return Header(
        patient,
        name,
        study=f"{patient} film",
        modality="DX",
        body_part=part,
        view=view,
        laterality=side,
        description="Synthetic phantom",
        number=number,
        spacing=film.spacing,
        window=(middle, 2 * middle),
    )


def _film(name: str, film: Film, header: Header, findings: str) -> Phantom:
    return Phantom(name, film.exposed(seed=header.number), header, findings)


def _head() -> Phantom:
    header = Header(
        "D2N074",
        "Ward^Bruce",
        study="D2N074 MR",
        modality="MR",
        body_part="BRAIN",
        date="2021-03-04",
        description="Synthetic phantom, T1 sagittal",
        spacing=PIXEL_OF_HEAD,
        window=(300, 640),
    )
    findings = "pituitary lesion|compression of the optic chiasm"
    return Phantom("brain-D2N074-sagittal.dcm", head(), header, findings)


def _abdomen() -> Iterator[Phantom]:
    header = Header(
        "D2N050",
        "Ward^Mason",
        study="D2N050 CT",
        modality="CT",
        body_part="ABDOMEN",
        description="Synthetic phantom",
        spacing=PIXEL_OF_ABDOMEN,
        between_slices=SLICE_SPACING,
        window=(40, 400),
    )
    for number in range(1, SLICE_COUNT + 1):
        findings = "calculus of the proximal right ureter" if number == STONE_SLICE else ""
        yield Phantom(
            f"abdomen-D2N050-slice{number}.dcm", abdomen(number), replace(header, number=number), findings
        )


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
