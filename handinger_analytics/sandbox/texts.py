"""Words for the generated tasks: titles, questions, answers, and the awkward ones."""

from __future__ import annotations

__all__ = [
    "ANSWERS",
    "FOLLOW_UPS",
    "NASTY_TITLES",
    "ODD_IDS",
    "PLACES",
    "QUESTIONS",
    "THINGS",
    "TITLES",
]

ODD_IDS: tuple[str, ...] = (
    "weekly report/2026-06",
    "100% coverage",
    "résumé-東京-🙂",
    "q?x=1&y=2#frag",
    "semi;colon,comma:at@plus+",
)
"""Task ids that a client chose: legal, and wrong in a URL unless percent-encoded."""

NASTY_TITLES: tuple[str, ...] = (
    "<script>alert(1)</script>",
    '<img src=x onerror="window.__pwned=1">',
    r"$\frac{a}{b}$ and $x_1$",
    "A very long title " + "that goes on and on " * 14 + "ok",
    "",
    "\x1b[31mred\x1b[0m alert\nsecond line",
    '=HYPERLINK("https://example.com","click")',
)
"""Titles that a page, a chart, a terminal or a spreadsheet must not act upon."""

PLACES: tuple[str, ...] = (
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

THINGS: tuple[str, ...] = (
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

TITLES: dict[str, tuple[str, ...]] = {
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

QUESTIONS: dict[str, tuple[str, ...]] = {
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

FOLLOW_UPS: tuple[str, ...] = (
    "Thanks. Now the same as a table, please.",
    "Are you sure about the second point?",
    "¿Y en euros?",
    "Bitte kürzer.",
    "もう一度お願いします。",
    "شكراً، وماذا عن الشهر الماضي؟",
    "Add the sources.",
    "👍 go on",
)

ANSWERS: tuple[str, ...] = (
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
