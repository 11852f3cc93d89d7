"""The official Python SDK talks to the sandbox."""

from __future__ import annotations

import pytest

from handinger_analytics.sandbox import Faults, Sandbox

handinger = pytest.importorskip("handinger", reason="the official SDK is not installed")


@pytest.fixture
def sdk(sandbox_a):
    """Open the official SDK with strict validation of what it reads."""
    with handinger.Handinger(
        api_key=sandbox_a.api_key,
        base_url=sandbox_a.url,
        max_retries=0,
        _strict_response_validation=True,
    ) as client:
        yield client


def test_sdk_reads_every_task(sdk, sandbox_a):
    """The official SDK accepts all tasks, odd ids included, and finds the same totals."""
    for task_id in [*sandbox_a.task_ids, "tsk_2Z-YWz3hFq6VlW"]:
        body = sdk.tasks.retrieve(task_id)
        assert body.task.id == task_id
        assert body.task.totals.credits == sum(turn.credits for turn in body.turns)


def test_sdk_reads_workers_logs_and_schedules(sdk, sandbox_a):
    """The official SDK accepts workers, all pages of their logs, and schedules."""
    for worker_id in sandbox_a.worker_ids:
        assert sdk.workers.retrieve(worker_id).id == worker_id
        assert sdk.workers.schedules.list(worker_id).worker_id == worker_id
        page = sdk.workers.webhooks.list_executions(worker_id, page=1)
        for number in range(2, page.page_count + 1):
            assert sdk.workers.webhooks.list_executions(worker_id, page=number).logs


def test_sdk_reads_webhooks_and_addresses(sdk, sandbox_a):
    """The official SDK accepts the webhook and the e-mail address of a worker, with a webhook or without."""
    for worker_id in (sandbox_a.worker_ids[0], sandbox_a.silent_worker_id):
        webhook = sdk.workers.webhooks.retrieve(worker_id)
        assert (webhook.url is None) == (webhook.token is None) == (worker_id == sandbox_a.silent_worker_id)
        assert "@" in sdk.workers.retrieve_email(worker_id).email
    assert sdk.workers.webhooks.list_executions(sandbox_a.silent_worker_id).logs == []


def test_sdk_reads_tasks_with_files():
    """The official SDK of generation A accepts its last step, in which turns have files."""
    with (
        Sandbox(tasks=60, generation="A+files") as sandbox,
        handinger.Handinger(
            api_key=sandbox.api_key, base_url=sandbox.url, max_retries=0, _strict_response_validation=True
        ) as client,
    ):
        turns = [turn for task_id in sandbox.task_ids for turn in client.tasks.retrieve(task_id).turns]
    assert any(turn.files for turn in turns)


def test_sdk_raises_the_documented_errors(sdk, sandbox_a):
    """The SDK turns the sandbox's errors into its own classes."""
    with pytest.raises(handinger.NotFoundError, match="tsk_nope"):
        sdk.tasks.retrieve("tsk_nope")
    with pytest.raises(handinger.PermissionDeniedError):
        sdk.workers.retrieve(sandbox_a.forbidden_worker_id)
    with pytest.raises(handinger.AuthenticationError):
        sdk.with_options(api_key="hdg_live_wrong").tasks.retrieve("tsk_nope")


def test_sdk_gets_through_faults():
    """The SDK's own retries get through answers that are worth a retry."""
    kinds = ["429-seconds", "429-ms", "500", "502", "503", "reset-before-body"]
    faults = Faults(rate=0.6, kinds=kinds, retry_after=0.01)
    with (
        Sandbox(tasks=3, faults=faults) as sandbox,
        handinger.Handinger(api_key=sandbox.api_key, base_url=sandbox.url, max_retries=4) as client,
    ):
        for task_id in sandbox.task_ids:
            assert client.tasks.retrieve(task_id).task.id == task_id
        assert sum(sandbox.stats.by_fault.values()) > 0
