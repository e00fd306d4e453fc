"""One sample to several sandboxes, and what they say together."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
from dataclasses import dataclass
from typing import Any, Callable, Iterable, List, Mapping, Optional, Sequence, Tuple, Union

from . import _native
from ._errors import Error
from ._sample import Sample, spooled
from ._sandbox import WAIT, AsyncSandbox, Sandbox, Time, _wishes, seconds
from ._types import Consensus, Report, Submission, Verdict, Vote
from ._wait import arrived


@dataclass(frozen=True)
class Event:
    """Something that happened at one sandbox."""

    sandbox: str
    """The sandbox's name."""
    happened: str
    """``looking_up``, ``submitting``, ``there``, ``pausing``, ``status``, ``fetching``, ``judged`` or ``failed``."""
    about: Mapping[str, Any]
    """What belongs to it: of ``there`` the submission, of ``status`` how far it is, of ``failed`` and ``pausing`` why."""


@dataclass(frozen=True)
class Asked:
    """What came of a sample at one sandbox."""

    sandbox: str
    """The sandbox's name."""
    vendor: str
    """Whose product."""
    submission: Optional[Submission]
    """What it is called there, if it got there."""
    way: Optional[str]
    """``submitted`` now, or ``known``: an analysis of the same hash was there already."""
    verdict: Optional[Verdict]
    """The verdict, if there is one."""
    report: Optional[Report]
    """The report, if it was to be kept."""
    error: Optional[Error]
    """Why there is no verdict, or no submission."""
    uncertain: bool
    """Whether it may have been submitted although nobody said so."""


@dataclass(frozen=True)
class Judged:
    """What all sandboxes say of one sample."""

    hash: Optional[str]
    """Its SHA-256, if it is a file."""
    consensus: Consensus
    """What they say together."""
    asked: Tuple[Asked, ...]
    """What each says, in the order in which they were given."""


def consensus(votes: Iterable[Vote]) -> Consensus:
    """What several sandboxes say together.

    The worst verdict counts, unless its sandbox is not sure (a confidence below 50): then the word that most of them say does, of several
    the worst. Sandboxes without a verdict have no vote.
    """
    return Consensus._of(json.loads(_native.consensus(json.dumps([dataclasses.asdict(vote) for vote in votes]))))


def _judged(made: Any) -> Judged:
    common, reports, errors = made
    fields = json.loads(common)
    asked = []
    for one, report, error in zip(fields["asked"], reports, errors):
        submission, verdict = one["submission"], one["verdict"]
        asked.append(
            Asked(
                one["sandbox"],
                one["vendor"],
                Submission(**submission) if submission else None,
                one["way"],
                Verdict._of(verdict) if verdict else None,
                Report(*report) if report else None,
                error,
                one["uncertain"],
            )
        )
    return Judged(fields["hash"], Consensus._of(fields["consensus"]), tuple(asked))


def _wanted(timeout: Time, first: Time, longest: Time, wait: bool, force: bool, keep_reports: bool) -> str:
    return json.dumps(
        {
            "timeout": seconds(timeout),
            "first": seconds(first),
            "longest": seconds(longest),
            "wait": wait,
            "force": force,
            "keep_reports": keep_reports,
        }
    )


def _hearing(on_event: Optional[Callable[[Event], Any]]) -> Callable[[str], Any]:
    def hear(text: str) -> None:
        if on_event is not None:
            fields = json.loads(text)
            on_event(Event(fields["sandbox"], fields["happened"], fields["about"] or {}))

    return hear


def _natives(sandboxes: Sequence[Union[Sandbox, AsyncSandbox]]) -> List[_native.Sandbox]:
    return [sandbox._native for sandbox in sandboxes]


def submit_to_many(
    sandboxes: Sequence[Union[Sandbox, AsyncSandbox]],
    sample: Optional[Sample] = None,
    *,
    url: Optional[str] = None,
    name: Optional[str] = None,
    timeout: Time = WAIT,
    first: Time = 2.0,
    longest: Time = 30.0,
    wait: bool = True,
    force: bool = False,
    keep_reports: bool = False,
    analysis_time: Optional[Time] = None,
    archive_password: Optional[str] = None,
    environment: Optional[str] = None,
    options: Optional[Mapping[str, Any]] = None,
    public: bool = False,
    on_event: Optional[Callable[[Event], Any]] = None,
) -> Judged:
    """Submits a sample to several sandboxes at once, waits for all, and puts together what they say.

    One that hangs or fails holds no other up: what is to be told of it is in its :class:`Asked`.

    :param sandboxes: The sandboxes.
    :param sample: A path, bytes, or a file object, as of :meth:`Sandbox.submit`; or else ``url``.
    :param url: An address.
    :param timeout: For each sandbox, submission and report included. 30 minutes by default.
    :param first: Before the second question for the status.
    :param longest: Between two questions, at most.
    :param wait: Wait for the end. Without, the sample is submitted and that is all.
    :param force: Submit what a sandbox knows already by its hash, too.
    :param keep_reports: Give the reports as well as the verdicts.
    :param public: It may be sent to clouds of vendors. Without, a sandbox that is one is a ``PublicError``, before anything is sent.
    :param on_event: Called with what happens, in this thread.
    """
    wishes = _wishes(analysis_time, archive_password, environment, options, public)
    wanted = _wanted(timeout, first, longest, wait, force, keep_reports)
    with _kept(sample, name) as (kept, called):
        pending = _native.submit_to_many(_natives(sandboxes), kept, called, url, wishes, wanted)
        return _judged(pending.result(_hearing(on_event)))


async def async_submit_to_many(
    sandboxes: Sequence[Union[Sandbox, AsyncSandbox]],
    sample: Optional[Sample] = None,
    *,
    url: Optional[str] = None,
    name: Optional[str] = None,
    timeout: Time = WAIT,
    first: Time = 2.0,
    longest: Time = 30.0,
    wait: bool = True,
    force: bool = False,
    keep_reports: bool = False,
    analysis_time: Optional[Time] = None,
    archive_password: Optional[str] = None,
    environment: Optional[str] = None,
    options: Optional[Mapping[str, Any]] = None,
    public: bool = False,
    on_event: Optional[Callable[[Event], Any]] = None,
) -> Judged:
    """Does as :func:`submit_to_many`, for coroutines. ``on_event`` is called in the event loop."""
    wishes = _wishes(analysis_time, archive_password, environment, options, public)
    wanted = _wanted(timeout, first, longest, wait, force, keep_reports)
    with contextlib.ExitStack() as stack:
        kept, called = await asyncio.to_thread(stack.enter_context, _kept(sample, name))
        pending = _native.submit_to_many(_natives(sandboxes), kept, called, url, wishes, wanted)
        return _judged(await arrived(pending, _hearing(on_event)))


def _kept(sample: Optional[Sample], name: Optional[str]) -> Any:
    return contextlib.nullcontext((None, name)) if sample is None else spooled(sample, name)
