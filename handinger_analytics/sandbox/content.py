"""What generated tasks say: ids, titles, inputs, outputs, structured outputs and files."""

from __future__ import annotations

from random import Random

from handinger_analytics.sandbox.profiles import Profile

JsonObject = dict[str, object]

_USERS = ("usr_7yh-91XzM2nQ4", "usr_Qm2-0cTz81LkV", "usr_b5R_tW9xYp3Da", "usr_Zk1-oE6uNh7Js")
_FILE_TYPES = (
    ("report.pdf", "application/pdf"),
    ("prices été.csv", "text/csv"),
    ("表.xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    (None, "image/png"),
)
_FILE_PROBABILITY = {"research": 0.5, "extraction": 0.25, "nightly": 0.3}

ODD_IDS: tuple[str, ...] = (
    "weekly report/2026-06",
    "100% coverage",
    "résumé-東京-🙂",
    "q?x=1&y=2#frag",
    "semi;colon,comma:at@plus+",
)
"""Task ids that a client chose: legal, but only percent-encoded do they fit into a URL."""

UNSAFE_TITLES: tuple[str, ...] = (
    "<script>alert(1)</script>",
    '<img src=x onerror="window.__pwned=1">',
    r"$\frac{a}{b}$ and $x_1$",
    "A very long title " + "that goes on and on " * 14 + "ok",
    "",
    "\x1b[31mred\x1b[0m alert\nsecond line",
    '=HYPERLINK("https://example.com","click")',
)
"""Titles that a page, a chart, a terminal or a spreadsheet must not act upon."""

_PLACES: tuple[str, ...] = (
    "Barcelona",
    "São Paulo",
    "Zürich",
    "東京",
    "القاهرة",
    "Kraków",
    "Québec",
    "München",
    "Αθήνα",
    "서울",
    "København",
    "Reykjavík",
)

_THINGS: tuple[str, ...] = (
    "invoice",
    "refund",
    "standing desk",
    "café chain",
    "battery recycling",
    "door lock",
    "bike rental",
    "naïve forecast",
    "espresso machine",
    "solar panel",
    "crème brûlée torch",
    "rain jacket",
)

_TITLES: dict[str, tuple[str, ...]] = {
    "helpdesk": (
        "Customer in {place} asks about a {thing}",
        "Pregunta sobre un {thing} en {place}",
        "{thing}: nicht geliefert nach {place}",
        "{place}からの問い合わせ({thing})",
        "سؤال عن {thing} من {place}",
        "Late {thing} 📦 {place}",
    ),
    "research": (
        "Market study: {thing} in {place}",
        "Étude de marché : {thing}, {place}",
        "Competitors of the {thing} makers of {place} 🔎",
        "{place} 市场调查: {thing}",
    ),
    "nightly": ("Morning numbers for {place}", "Daily {thing} report, {place}"),
    "inbox": (
        "Re: {thing} for {place}",
        "Fwd: Angebot {thing} ({place})",
        "RE: RE: {thing} — señal de {place}",
    ),
    "extraction": ("Read {thing} forms of {place}", "Extract {thing} lines, batch {place}"),
    "playground": ("Try out: {thing} 🧪", "untitled", "Poem on a {thing} in {place} ✨"),
}

_QUESTIONS: dict[str, tuple[str, ...]] = {
    "helpdesk": (
        "A customer in {place} writes that the {thing} has not arrived. What shall we answer?",
        "¿Puede devolver el cliente de {place} su {thing}?",
        "{place}のお客様に{thing}の返金方法を説明してください。",
    ),
    "research": (
        "Who sells a {thing} in {place}, at which price, and how has it changed since 2024?",
        "Compare the three largest {thing} companies in {place}. Give sources for every number.",
    ),
    "nightly": ("Collect yesterday's figures for {place} and compare them with the week before.",),
    "inbox": (
        "From: ines@example.com\nSubject: {thing}\n\nHello,\nplease send the offer to {place}.\n",
        "Bonjour,\nmerci de vérifier la commande « {thing} » pour {place}.\nÀ bientôt",
    ),
    "extraction": ("Read every line of the attached {thing} form from {place}.",),
    "playground": ("Write four lines on a {thing} in {place}.", "hi", "What can you do? 🙂"),
}

_FOLLOW_UPS: tuple[str, ...] = (
    "Thanks. Now the same as a table, please.",
    "Are you sure about the second point?",
    "¿Y en euros?",
    "Bitte kürzer.",
    "もう一度お願いします。",
    "شكراً، وماذا عن الشهر الماضي؟",
    "Add the sources.",
    "👍 go on",
)

_ANSWERS: tuple[str, ...] = (
    "It's currently 21°C and sunny, with a light breeze from the south-east.",
    "The order left the warehouse on Monday and should arrive within two working days.",
    "| item | price |\n|---|---:|\n| basic | 19.90 € |\n| plus | 34.00 € |",
    "Los precios subieron un 4,2 % en el último año, sobre todo en primavera.",
    "Die Lieferung wurde heute früh zugestellt; eine Rückgabe ist 30 Tage lang möglich.",
    "価格は前年より約3%上昇しました。",
    "ارتفعت المبيعات بنسبة 5٪ مقارنة بالأسبوع الماضي.",
    "Three suppliers answered, two of them within an hour.",
    "No figure could be found for the last quarter, so the estimate rests on the one before.",
    "```python\nprint('totals', sum(values))\n```",
    "See https://example.com/report?id=7&lang=en for the full text.",
    "I could not open the second attachment & skipped it.",
)


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
        self._place = self._rng.choice(_PLACES)
        self._thing = self._rng.choice(_THINGS)

    def title(self) -> str:
        """Return the title of the task."""
        return self._fill(self._rng.choice(_TITLES[self._name]))

    def origin(self) -> tuple[str, str | None]:
        """Return what started the task, and the user who did if it was a person."""
        draw, known = self._rng.random(), self._rng.random() < 0.9
        trigger = next(name for name, upper in self._profile.triggers if draw < upper)
        person = known and trigger in ("api", "ui")
        return trigger, self._rng.choice(_USERS) if person else None

    def question(self, seq: int) -> str:
        """Return the input of turn `seq`."""
        if seq:
            return self._rng.choice(_FOLLOW_UPS)
        return self._fill(self._rng.choice(_QUESTIONS[self._name]))

    def answer(self, status: str, output_tokens: int) -> str:
        """Return the output text of a turn, of up to some 2,000 characters."""
        paragraphs = 1 + min(output_tokens // 220, 24)
        if status == "error":
            return "The tool did not answer in time." if paragraphs > 1 else ""
        return "\n\n".join(self._rng.choices(_ANSWERS, k=paragraphs))

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
            "top": [{"name": rng.choice(_THINGS), "n": rng.randint(1, 90)} for _ in range(3)],
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
