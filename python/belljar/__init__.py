"""Other people's sandboxes through one interface.

::

    import belljar

    with belljar.Sandbox("cuckoo", "http://127.0.0.1:8090") as sandbox:
        submission = sandbox.submit("invoice.exe")
        sandbox.wait(submission, timeout=600)
        print(sandbox.report(submission).verdict)

:class:`AsyncSandbox` is the same for asyncio.
"""

from ._errors import (
    AnalysisFailedError,
    ConfigError,
    DuplicateError,
    Error,
    ForbiddenError,
    HttpError,
    InvalidError,
    MalformedError,
    NotFoundError,
    NotReadyError,
    PublicError,
    QuotaError,
    RefusedError,
    SampleError,
    SinkError,
    StatusError,
    TimedOutError,
    TooLargeError,
    TransportError,
    UnauthenticatedError,
    UnsupportedError,
)
from ._native import __version__
from ._sandbox import AsyncDownload, AsyncSandbox, Download, Sandbox
from ._types import Availability, Finding, Indicator, Queue, Raw, Report, Status, Submission, Verdict, Word
from ._vendors import AsyncCuckoo, Cuckoo, Setting, Vendor, vendors

__all__ = [
    "AnalysisFailedError",
    "AsyncCuckoo",
    "AsyncDownload",
    "AsyncSandbox",
    "Availability",
    "ConfigError",
    "Cuckoo",
    "Download",
    "DuplicateError",
    "Error",
    "Finding",
    "ForbiddenError",
    "HttpError",
    "Indicator",
    "InvalidError",
    "MalformedError",
    "NotFoundError",
    "NotReadyError",
    "PublicError",
    "Queue",
    "QuotaError",
    "Raw",
    "RefusedError",
    "Report",
    "SampleError",
    "Sandbox",
    "Setting",
    "SinkError",
    "Status",
    "StatusError",
    "Submission",
    "TimedOutError",
    "TooLargeError",
    "TransportError",
    "UnauthenticatedError",
    "UnsupportedError",
    "Vendor",
    "Verdict",
    "Word",
    "__version__",
    "vendors",
]
