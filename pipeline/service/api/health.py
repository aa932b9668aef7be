"""Alive, and ready."""

from __future__ import annotations

from fastapi import APIRouter

from pipeline.service.schemas import Alive

router = APIRouter(tags=["health"])


@router.get("/healthz", summary="Is the process alive?")
async def healthz() -> Alive:
    """Answers as soon as the process runs, whether or not it can answer questions."""
    return Alive()
