"""A vision-language model behind a chat server: one picture, one question, a text.

Decides the request (no system message: several models refuse one beside a picture; no stream: nothing is shown before
it is whole), and what each way to end that is no description means. Telling an answer from reasoning is
`answering.model_output`'s, which the wiring hands in; what of the text may be shown is not decided here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

from pipeline.backends.http.chat_events import read_event
from pipeline.backends.http.chat_request import ChatOptions, thinks
from pipeline.backends.http.encoded_image import read_header, require_size
from pipeline.backends.http.errors import Server, is_error, stream_error
from pipeline.backends.http.transport import Transport
from pipeline.config import TransportSettings, VisionSettings
from pipeline.errors import ProviderError, RequestInvalid, ResponseInvalid, ThoughtUnfinished
from pipeline.imaging.plain_pictures import grey_png
from pipeline.logs import LOGGER
from pipeline.records import DraftPiece, Ending, GeneratorModel, Prompt, Thinks
from pipeline.text.sentences import sentence_spans

ReadDraft: TypeAlias = Callable[[Prompt, Thinks, Iterator[DraftPiece]], tuple[str, Ending]]
"""The answer in the pieces of a draft, without reasoning, and how it ended."""

SIDE_MAX = 2048
BYTES_MAX = 4 * 1024**2
ATTEMPTS_MAX = 2
"""Fewer than for an answer: who waits has the answer already."""
CHECK_ATTEMPTS = 1
CHECK_TOKENS = 16
INSTRUCTION = (
    "You are shown one medical picture. Say in plain sentences, at most six, what can be seen in it that bears on the "
    "question below. Where it does not show what is asked, say so. Do not name anyone, do not read out text in the "
    "picture, and give no date, no id, no diagnosis and no advice.\n\nQuestion: "
)
NO_QUESTION = "What does this picture show?"
UNKNOWN_END = "length"
"""A server that gives no reason for ending may have cut the text."""
MARK = "…"


class ChatVisionModel:
    """Implements ports.VisionModel."""

    def __init__(
        self,
        server: Server,
        provider: str,
        settings: VisionSettings,
        transport: TransportSettings,
        read: ReadDraft,
    ) -> None:
        """Opens no connection."""
        patience = {"read_seconds": settings.seconds_max, "retry_seconds_max": settings.seconds_max}
        self._transport = Transport(
            server, transport.model_copy(update=patience), api_key=settings.api_key.get_secret_value()
        )
        self._attempts_max = min(ATTEMPTS_MAX, transport.attempts_max)
        self._settings = settings
        self._model = GeneratorModel(provider, server.model, thinks=thinks(server.model, settings))
        self._options = ChatOptions("max_tokens", temperature=True, stream_options=False, merge_system=True)
        self._read = read

    @property
    def model(self) -> GeneratorModel:
        return self._model

    def describe(self, image: bytes, question: str) -> str:
        """As the port says."""
        encoded = read_header(image)
        require_size(encoded, 1, self._model.model, side_max=SIDE_MAX, bytes_max=BYTES_MAX)
        text = INSTRUCTION + (question.strip() or NO_QUESTION)
        answer = self._asked(text, encoded.data_url, self._settings.tokens_max, self._attempts_max)
        said, ending = self._sorted(text, answer)
        return self._shown(said, ending)

    def check(self) -> None:
        """As the port says."""
        self._asked("Say: ready", read_header(grey_png()).data_url, CHECK_TOKENS, CHECK_ATTEMPTS)

    def stop(self) -> None:
        """End what waits between attempts, with Overloaded; requests on the wire end by themselves."""
        self._transport.stop()

    def _asked(self, text: str, data_url: str, tokens_max: int, attempts_max: int) -> dict[str, Any]:
        """The server's answer. One that knows an option by another name, or not at all, is asked again without it, and
        from then on."""
        while True:
            options = self._options
            request = self._request(text, data_url, tokens_max, options)
            try:
                return self._checked(
                    self._transport.post("/chat/completions", request, attempts_max=attempts_max), request
                )
            except RequestInvalid as error:
                adapted = None if error.filtered else options.without_what_is_refused(error)
                if adapted is None:
                    raise self._refused(error) from None
                LOGGER.warning(
                    "the vision model's server does not take an option; asking without it",
                    extra={"model": self._model.model},
                )
                self._options = adapted.options

    def _checked(self, answer: dict[str, Any], request: dict[str, Any]) -> dict[str, Any]:
        """The same. Raises the error that it holds instead of an answer: some servers say so with status 200."""
        if is_error(answer):
            raise stream_error(self._transport.server, answer, request)
        return answer

    def _request(self, text: str, data_url: str, tokens_max: int, options: ChatOptions) -> dict[str, Any]:
        parts = [{"type": "text", "text": text}, {"type": "image_url", "image_url": {"url": data_url}}]
        request: dict[str, Any] = {
            "model": self._model.model,
            "messages": [{"role": "user", "content": parts}],
            options.tokens_field: tokens_max,
            "stream": False,
        }
        if options.temperature:
            request["temperature"] = 0.0
        return request | self._settings.extra_body

    def _refused(self, error: RequestInvalid) -> RequestInvalid:
        if error.filtered:
            return self._filtered()
        error.remedy = (
            "Check that the model reads pictures, and how large they may be: CHARTWELL_IMAGE_READING__SIDE is the "
            "longest side that is sent."
        )
        return error

    def _filtered(self) -> RequestInvalid:
        filtered = RequestInvalid(
            f"{self._transport.server.name} withheld what it says of the picture: a content filter.",
            remedy="Many filters refuse medical pictures: use a server whose filter can be set.",
        )
        filtered.filtered = True
        return filtered

    def _sorted(self, text: str, answer: dict[str, Any]) -> tuple[str, Ending]:
        event = read_event(answer)
        if event.finish_reason is None and not event.pieces:
            raise self._nothing_said()
        pieces = [
            *event.pieces,
            DraftPiece(usage=event.usage, finish_reason=event.finish_reason or UNKNOWN_END),
        ]
        try:
            return self._read(Prompt(text, (), "", text, "vision"), self._model.thinks, iter(pieces))
        except ThoughtUnfinished as error:
            error.remedy = (
                "Raise CHARTWELL_VISION__TOKENS_MAX, or switch reasoning off (CHARTWELL_VISION__EXTRA_BODY)."
            )
            raise
        except ProviderError as error:
            error.remedy = "Raise the context length of the vision model's server."
            raise

    def _shown(self, said: str, ending: Ending) -> str:
        """Raises where the ending means that it says nothing of the picture."""
        match ending:
            case "filtered":
                raise self._filtered()
            case "refused":
                raise RequestInvalid(
                    f"{self._transport.server.name} refused to say what the picture shows.",
                    remedy="Ask in other words, or use another model.",
                )
            case "complete" | "cut_off" if text := within(
                said, self._settings.characters_max, whole=ending == "complete"
            ):
                return text
        raise self._nothing_said()

    def _nothing_said(self) -> ResponseInvalid:
        return ResponseInvalid(
            f"{self._transport.server.name} said nothing of the picture.",
            remedy="Raise CHARTWELL_VISION__TOKENS_MAX; if this stays, use a model that reads pictures in a chat.",
        )


def within(text: str, characters_max: int, *, whole: bool) -> str:
    """As many sentences from the beginning as fit, and a mark where any is left out; of a text that is not whole the
    last one is. "" where not one fits."""
    ends = [end for _, end in sentence_spans(text)]
    if not whole:
        ends = ends[:-1]
    fitting = [end for end in ends if end <= characters_max]
    if not fitting:
        return ""
    kept = text[: fitting[-1]].strip()
    return kept if whole and fitting[-1] == ends[-1] else f"{kept} {MARK}"
