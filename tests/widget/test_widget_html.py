from __future__ import annotations

import html
import re
from zoneinfo import ZoneInfo

import pytest

from handinger_analytics import (
    AuthenticationError,
    HandingerError,
    InternalServerError,
    SettingsError,
    parse_bodies,
)
from handinger_analytics.tables.build import Failure
from handinger_analytics.tables.frames import failures_frame
from handinger_analytics.widget.chart import timeline_image
from handinger_analytics.widget.messages import error_words, worth_another_try
from handinger_analytics.widget.rendering import (
    overview,
    problems,
    render,
    saved_html,
    saved_text,
    titled,
    turns_table,
    web_address,
)
from handinger_analytics.widget.session import empty_session, merged
from tests.samples import TASK, body_a, encoded, one_turn, turn_of

UTC = ZoneInfo("UTC")
EVIL = '"><img src=x onerror="alert(1)"><script>alert(2)</script>'


def words(text: str) -> str:
    """Return the words of some HTML on one line."""
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", text)).split())


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("<b a='1' b=\"2\">&", "&lt;b a=&#39;1&#39; b=&#34;2&#34;&gt;&amp;"),
        ("a\x00b\x1b[31mc\u2028d\ud800", "abcd"),
        ("two\r\nlines\tand a tab", "two\nlines\tand a tab"),
        (float("nan"), ""),
        (7, "7"),
    ],
)
def test_values_are_text(value, shown):
    """What HTML would obey is written so that it is shown; control characters and half characters go."""
    assert render("muted", value) == f'<span class="ha-muted">{shown}</span>'


def test_titled():
    """A title that shows nothing is named as such."""
    assert titled("\u200b \n") == "(no title)"


@pytest.mark.parametrize(
    ("url", "is_link"),
    [
        ("https://v3.handinger.com/worker/w/task/t", True),
        ("http://127.0.0.1/", True),
        ("javascript:alert(1)", False),
        ("JAVASCRIPT:alert(1)", False),
        ("java\x00script:alert(1)", False),
        ("data:text/html,<script>alert(1)</script>", False),
        ("//example.com", False),
        ("https://[", False),
        (None, False),
    ],
)
def test_link(url, is_link):
    """An address is a link where it leads to the web, else its text stands alone."""
    assert web_address(url) == (url if is_link else "")
    turns = parse_bodies(
        [one_turn(files=[{"filename": "a.csv", "mediaType": "text/csv", "url": url or ""}])]
    ).turns
    made = turns_table(turns, UTC)
    assert ("<a " in made) == is_link
    assert "<bdi>a.csv</bdi>" in made


def test_link_is_escaped():
    """An address cannot end its attribute."""
    task = TASK | {"url": 'https://example.com/"onclick="alert(1)'}
    result = parse_bodies([encoded({"task": task, "turns": []})])
    made = overview(result.tasks, result.turns, UTC)
    assert '<a href="https://example.com/&#34;onclick=&#34;alert(1)" target' in made


def test_task_without_an_address_offers_no_link():
    """The card of a task from before tasks had addresses has no words that lead nowhere."""
    pages = []
    for task in (TASK, {name: value for name, value in TASK.items() if name != "url"}):
        result = parse_bodies([encoded({"task": task, "turns": []})])
        pages.append(overview(result.tasks, result.turns, UTC))
    assert ["Open in the dashboard" in page for page in pages] == [True, False]
    assert "<a" not in pages[1]


def test_badge_of_unknown_status():
    """A status the package does not know yet is shown as it is, escaped."""
    assert render("badge", "<paused>") == '<span class="ha-badge ha-other">&lt;paused&gt;</span>'


def test_card_adds_tokens_up():
    """The card has the task's totals and the sums of tokens over its turns: 3 times 1,842 and 312."""
    result = parse_bodies([body_a("tsk_1", turns=3)])
    card = words(overview(result.tasks, result.turns, UTC))
    assert "Tokens in 5,526 Tokens out 936" in card


def test_card_of_unfinished_task():
    """What is not there yet is a dash."""
    body = encoded({"task": TASK | {"completedAt": None, "createdByUserId": None}, "turns": []})
    result = parse_bodies([body])
    card = words(overview(result.tasks, result.turns, UTC))
    assert "Finished \N{EN DASH} Worker" in card
    assert "Tokens in 0 Tokens out 0" in card
    assert card.endswith("Started by \N{EN DASH} Times in UTC")


def test_everything_in_a_task_is_escaped():
    """Whatever field of a task or turn is HTML, it is shown and not obeyed."""
    task = TASK | dict.fromkeys(
        ("title", "workerId", "triggeredBy", "status", "createdByUserId", "url"), EVIL
    )
    file = {"filename": EVIL, "mediaType": EVIL, "url": f"javascript:{EVIL}"}
    evil_turn = {"id": EVIL, "input": EVIL, "outputText": EVIL, "status": EVIL, "files": [file]}
    turns = [turn_of(task["id"], structuredOutput={EVIL: EVIL}, **evil_turn)]
    result = parse_bodies(
        [encoded({"task": task, "turns": turns}), encoded({"task": task | {"id": EVIL}, "turns": []})]
    )
    made = (
        overview(result.tasks, result.turns, UTC)
        + overview(result.tasks.head(1), result.turns, UTC)
        + turns_table(result.turns, UTC)
        + saved_html(result.tasks, result.turns, UTC)
        + problems(failures_frame([Failure(EVIL, "task", EVIL, 500, EVIL, 1)]), EVIL)
    )
    assert "<img" not in made
    assert "<script" not in made
    assert not re.search(r"<[^>]*onerror", made)
    assert "href" not in made
    assert made.count("&lt;img") > 15


def test_comparison_adds_up():
    """Tasks have a row each, a row for the sums, and their turns side by side."""
    bodies = [
        body_a("tsk_1", turns=2, title="One", totals={"credits": 84, "durationMs": 50_000, "turnCount": 2}),
        body_a("tsk_2", turns=1, title="Two", totals={"credits": 21, "durationMs": 25_812, "turnCount": 1}),
    ]
    result = parse_bodies(bodies)
    made = overview(result.tasks, result.turns, UTC)
    text = words(made)
    assert "One tsk_1 completed wrk_vk81XUHKHG-qr4 2026-05-11 09:14:22 2 84 3,684 624 50 s" in text
    assert "All together 3 105 5,526 936 1 min 16 s" in text
    assert text.endswith("# One Two 0 42 25.8 s 42 25.8 s 1 42 25.8 s")
    assert re.findall(r"--ha-share:(\d+)%", made) == ["100", "25"]


def test_comparison_of_many_tasks():
    """More tasks than fit are counted, not shown, and the page says where they are."""
    result = parse_bodies([body_a(f"tsk_{number}") for number in range(201)])
    text = words(overview(result.tasks, result.turns, UTC))
    assert "201 tasks, times in UTC; the first 200 here, .tasks has them all" in text
    assert "tsk_199" in text
    assert "tsk_200" not in text
    assert "All together 201 8,442" in text
    assert "Turn by turn: credits and duration; the first ones only" in text


def test_turns_table_keeps_json_numbers():
    """Structured output is laid out, its numbers and escapes as they were sent."""
    body = one_turn(structuredOutput="HERE").replace(
        b'"HERE"', b'{"a":1.10,"big":123456789012345678901,"e":"\\u00e9"}'
    )
    made = html.unescape(turns_table(parse_bodies([body]).turns, UTC))
    assert '{\n  "a": 1.10,\n  "big": 123456789012345678901,\n  "e": "\\u00e9"\n}' in made


def test_long_text_is_cut_where_it_says_so():
    """A text too long for a page is cut, and the page says how much is missing and where it is."""
    turns = parse_bodies([one_turn(outputText="x" * 50_003)]).turns
    made = turns_table(turns, UTC)
    assert "3 more characters; .turns has them all" in made
    assert "x" * 50_000 in made
    assert "x" * 50_001 not in made


def test_turns_beyond_the_table():
    """More turns than a table shows are counted, and the page says where they are."""
    turns = parse_bodies([body_a(turns=4)]).turns
    text = words(turns_table(turns, UTC, most_turns=3))
    assert "4 turns, the first 3 of them here; .turns has them all" in text
    assert "<tbody" in turns_table(turns, UTC)
    assert turns_table(turns, UTC, most_turns=3).count('<tbody class="ha-turn">') == 3


def test_turn_without_words():
    """A turn without input and output says so."""
    text = words(
        turns_table(parse_bodies([one_turn(input="", outputText="", structuredOutput=None)]).turns, UTC)
    )
    assert "(no input) Input nothing Output nothing" in text


def test_no_turns():
    """A task whose first turn has not begun says so."""
    assert words(turns_table(empty_session().turns, UTC)) == "No turns yet."
    assert timeline_image(empty_session().turns, UTC) == ""


def test_excerpts_alone():
    """Without reading, the table has the first words and no whole texts."""
    long = "word " * 100
    made = turns_table(parse_bodies([one_turn(outputText=long)]).turns, UTC, readable=False)
    assert "<details" not in made
    assert long.strip() not in made


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (AuthenticationError("key"), "The API key was not accepted. Check HANDINGER_API_KEY"),
        (InternalServerError("500"), "The server had an error. Try again in a while."),
        (SettingsError("no API key: set it"), "No API key: set it"),
        (HandingerError("what else"), "What else"),
    ],
)
def test_error_words(error, text):
    """An error becomes a sentence that says what to do."""
    assert error_words(error).startswith(text)


def test_problems():
    """Each failure names its id and reason; the turns alone may be missing; a long list is cut."""
    some = [Failure(f"tsk_{n}", "task", "NotFoundError", 404, "m", 1) for n in range(21)]
    some[0] = Failure("tsk_0", "turns", "InternalServerError", 500, "m", 6)
    frame = failures_frame(some)
    text = words(problems(frame, ""))
    assert text.startswith("tsk_0 The task is here, its turns are not. The server had an error.")
    assert text.endswith("and 1 more, see .value.failures")
    assert problems(frame.head(0), "") == ""
    assert worth_another_try(frame) == ["tsk_0"]


def test_spaces_hint():
    """Advice about ids with spaces is given to whom it may help."""
    lost = failures_frame(
        [Failure(name, "task", "NotFoundError", 404, "m", 1) for name in ("weekly", "report")]
    )
    assert "dashboard link" in problems(lost, "weekly report")
    assert "dashboard link" not in problems(lost, "weekly,report")
    assert "dashboard link" not in problems(lost.head(1), "weekly report")


def test_saved_answer():
    """The saved answer reads as text, in a page and in a terminal, and says how to use the widget."""
    result = parse_bodies([body_a("tsk_1", turns=60)])
    made = saved_html(result.tasks, result.turns, UTC)
    text = words(made)
    assert "Weather report for Barcelona completed tsk_1" in text
    assert "60 turns, the first 50 of them here" in text
    assert "Tokens in 110,520" in text
    assert "pip install ipywidgets" in text
    assert "<details" not in made
    lines = saved_text(result.tasks, result.turns.head(1), UTC).splitlines()
    assert lines == [
        "TaskLookup",
        "  Weather report for Barcelona [tsk_1] completed, 2026-05-11 09:14:22 UTC, 42 credits, 25.8 s",
        "      0 completed 2026-05-11 09:14:22       25.8 s       42 credits  What's the weather today in "
        "Barcelona?",
        lines[-1],
    ]
    assert "pip install ipywidgets" in lines[-1]


def test_merge_of_lookups():
    """A session has each id once, in the order first asked for, with its newest rows."""
    old = parse_bodies([body_a("tsk_1", turns=1, title="old"), body_a("tsk_2")])
    new = parse_bodies([body_a("tsk_3"), body_a("tsk_1", turns=2, title="new")])
    session = merged(merged(empty_session(), old), new)
    assert session.tasks["task_id"].tolist() == ["tsk_1", "tsk_2", "tsk_3"]
    assert session.tasks["title"].tolist()[0] == "new"
    assert session.turns["task_id"].tolist() == ["tsk_1", "tsk_1", "tsk_2", "tsk_3"]
    assert session.complete
