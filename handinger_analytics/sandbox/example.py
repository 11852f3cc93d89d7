"""The example task of the API documentation, under its documented id."""

from __future__ import annotations

from handinger_analytics.sandbox.content import JsonObject

EXAMPLE_TASK_ID = "tsk_2Z-YWz3hFq6VlW"
EXAMPLE_WORKER_ID = "wrk_vk81XUHKHG-qr4"
EXAMPLE_ORGANIZATION_ID = "org_8s1Df9aLp-1z"
_TITLE = "Weather report for Barcelona"

EXAMPLE_TASK: JsonObject = {
    "id": EXAMPLE_TASK_ID,
    "completedAt": "2026-05-11T09:14:48.000Z",
    "createdAt": "2026-05-11T09:14:22.000Z",
    "createdByUserId": "usr_7yh-91XzM2nQ4",
    "organizationId": EXAMPLE_ORGANIZATION_ID,
    "status": "completed",
    "title": _TITLE,
    "totals": {"credits": 42, "durationMs": 25812, "turnCount": 1},
    "triggeredBy": "api",
    "url": f"https://v3.handinger.com/worker/{EXAMPLE_WORKER_ID}/task/{EXAMPLE_TASK_ID}",
    "workerId": EXAMPLE_WORKER_ID,
}

EXAMPLE_TURN: JsonObject = {
    "id": "trn_4Hq-9Vk2pLm8Rx",
    "completedAt": "2026-05-11T09:14:48.000Z",
    "credits": 42,
    "durationMs": 25812,
    "input": "What's the weather today in Barcelona?",
    "inputTokens": 1842,
    "outputText": "It's currently 21°C and sunny in Barcelona with a light breeze from the south-east.",
    "outputTokens": 312,
    "role": "user",
    "seq": 0,
    "startedAt": "2026-05-11T09:14:22.000Z",
    "status": "completed",
    "structuredOutput": {"temperatureCelsius": "bar", "conditions": "bar"},
    "taskId": EXAMPLE_TASK_ID,
    "files": [
        {
            "filename": "barcelona.csv",
            "mediaType": "text/csv",
            "url": "https://handinger.com/files/barcelona.csv",
            "size": 1204,
        },
        {"filename": None, "mediaType": "image/png", "url": "https://handinger.com/files/1"},
    ],
}

EXAMPLE_LOG: JsonObject = {
    "id": "whx_1",
    "createdAt": "2026-05-11T09:14:49.000Z",
    "durationMs": 182,
    "errorMessage": None,
    "requestStatus": "success",
    "responseStatus": 200,
    "taskId": EXAMPLE_TASK_ID,
    "taskTitle": _TITLE,
    "url": "https://example.com/handinger-webhook",
    "workerId": EXAMPLE_WORKER_ID,
}
