"""What generated turns say: titles, inputs, outputs, structured outputs and files."""

from __future__ import annotations

from random import Random

from handinger_analytics.sandbox import texts
from handinger_analytics.sandbox.profiles import Profile

__all__ = ["JsonObject", "TaskWriter"]

JsonObject = dict[str, object]

_USERS = ("usr_7yh-91XzM2nQ4", "usr_Qm2-0cTz81LkV", "usr_b5R_tW9xYp3Da", "usr_Zk1-oE6uNh7Js")
_FILE_TYPES = (
    ("report.pdf", "application/pdf"),
    ("prices été.csv", "text/csv"),
    ("表.xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    (None, "image/png"),
)
_FILE_PROBABILITY = {"research": 0.5, "extraction": 0.25, "nightly": 0.3}


class TaskWriter:
    """Writes the texts of one task, turn after turn.

    Call :meth:`title` and :meth:`origin` once, then the other methods in the order of the turns:
    all draw from one generator, so the texts depend on `seed`, `index` and that order only.

    Parameters
    ----------
    seed : int
        Seed of the whole sandbox.
    index : int
        Position of the task in the timeline.
    profile : Profile
        Which worker writes.
    """

    def __init__(self, seed: int, index: int, profile: Profile) -> None:
        self._rng = Random(f"{seed}/text/{index}")
        self._profile, self._name = profile, profile.name
        self._place = self._rng.choice(texts.PLACES)
        self._thing = self._rng.choice(texts.THINGS)

    def title(self) -> str:
        """Return the title of the task."""
        return self._fill(self._rng.choice(texts.TITLES[self._name]))

    def origin(self) -> tuple[str, str | None]:
        """Return what started the task, and the user who did if it was a person."""
        draw, known = self._rng.random(), self._rng.random() < 0.9
        trigger = next(name for name, upper in self._profile.triggers if draw < upper)
        person = known and trigger in ("api", "ui")
        return trigger, self._rng.choice(_USERS) if person else None

    def question(self, seq: int) -> str:
        """Return the input of turn `seq`."""
        if seq:
            return self._rng.choice(texts.FOLLOW_UPS)
        return self._fill(self._rng.choice(texts.QUESTIONS[self._name]))

    def answer(self, status: str, output_tokens: int) -> str:
        """Return the output text of a turn, of up to some 2,000 characters."""
        paragraphs = 1 + min(output_tokens // 220, 24)
        if status == "error":
            return "The tool did not answer in time." if paragraphs > 1 else ""
        return "\n\n".join(self._rng.choices(texts.ANSWERS, k=paragraphs))

    def structured_output(self, status: str) -> JsonObject | None:
        """Return the structured output of a turn; its shape is the worker's own."""
        rng = self._rng
        if status != "completed":
            return None
        match self._name:
            case "helpdesk":
                return {
                    "category": rng.choice(("delivery", "refund", "other")),
                    "priority": rng.randint(1, 5),
                    "sentiment": round(rng.uniform(-1, 1), 3),
                    "escalate": rng.random() < 0.1,
                }
            case "nightly":
                return self._figures()
            case "inbox":
                answered = rng.random() < 0.8
                return {"intent": self._thing, "reply": "sent" if answered else None}
            case "extraction":
                return self._lines()
            case "playground":
                return {}
        return None

    def files(self, task_id: str, seq: int) -> list[JsonObject]:
        """Return the files a turn produced, mostly none."""
        if self._rng.random() >= _FILE_PROBABILITY.get(self._name, 0.02):
            return []
        files: list[JsonObject] = []
        name = hash_text(task_id)
        for number in range(self._rng.randint(1, 3)):
            filename, media_type = self._rng.choice(_FILE_TYPES)
            link = f"https://handinger.com/files/{name}-{seq}-{number}"
            file: JsonObject = {"filename": filename, "mediaType": media_type, "url": link}
            if self._rng.random() < 0.8:
                file["size"] = int(self._rng.lognormvariate(10, 2))
            files.append(file)
        return files

    def _fill(self, template: str) -> str:
        return template.format(place=self._place, thing=self._thing)

    def _figures(self) -> JsonObject:
        rng = self._rng
        revenue = round(rng.lognormvariate(9, 0.4), 2)
        return {
            "place": self._place,
            "revenue": {"amount": revenue, "currency": rng.choice(("EUR", "USD", "JPY"))},
            "change": {"day": round(rng.gauss(0, 4), 1), "week": round(rng.gauss(0, 2), 1)},
            "top": [{"name": rng.choice(texts.THINGS), "n": rng.randint(1, 90)} for _ in range(3)],
            "Anmerkung (ü)": None if rng.random() < 0.7 else "nur Teildaten",
        }

    def _lines(self) -> JsonObject:
        rng = self._rng
        lines: list[JsonObject] = []
        for number in range(rng.randint(0, 6)):
            # Now and then a number arrives as text: the shape of real extractions is not stable.
            amount = round(rng.lognormvariate(3, 1), 2)
            lines.append({"line": number, "amount": amount if rng.random() < 0.9 else f"{amount}"})
        return {
            "lines": lines,
            "total_lines": len(lines),
            "codes": [rng.randint(0, 9) for _ in lines],
        }


def hash_text(text: str) -> int:
    """Return a small number that is the same for the same text in every process."""
    value = 7
    for character in text:
        value = (value * 31 + ord(character)) % 1_000_003
    return value
