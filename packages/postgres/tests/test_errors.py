import psycopg
import pytest
from flowcraft_core.errors import BackendError, TransientError
from flowcraft_postgres._errors import spoils, translate
from psycopg import errors

PASSES_BY = [
    *(errors.AdminShutdown, errors.CrashShutdown, errors.CannotConnectNow, errors.QueryCanceled),
    *(errors.DeadlockDetected, errors.SerializationFailure, errors.LockNotAvailable, errors.TooManyConnections),
    *(errors.DiskFull, errors.OutOfMemory, errors.IdleInTransactionSessionTimeout, errors.IdleSessionTimeout),
    *(errors.ReadOnlySqlTransaction, errors.IoError, errors.ConnectionFailure, errors.FeatureNotSupported),
]
REFUSED = [
    *(errors.UndefinedTable, errors.InsufficientPrivilege, errors.InvalidSchemaName, errors.UniqueViolation),
    *(errors.InvalidPassword, errors.InvalidCatalogName, errors.SyntaxError, errors.DataCorrupted),
]


@pytest.mark.parametrize("kind", PASSES_BY)
def test_what_passes_by_is_worth_another_try(kind: type[psycopg.Error]) -> None:
    translated = translate(kind("the server's words"), "postgres here")
    assert type(translated) is TransientError
    assert str(translated).startswith(f"postgres here: the server's words (SQLSTATE {kind.sqlstate})")


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_refused_for_good_is_not(kind: type[psycopg.Error]) -> None:
    translated = translate(kind("no"), "postgres here")
    assert type(translated) is BackendError


def test_a_message_says_what_helps() -> None:
    assert "make room" in str(translate(errors.DiskFull("full"), "here"))
    assert "grants_sql" in str(translate(errors.InsufficientPrivilege("denied"), "here"))
    assert "primary" in str(translate(errors.ReadOnlySqlTransaction("no"), "here"))


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("connection failed: Connection refused\n\tIs the server running?", TransientError),
        ("connection failed: timeout expired", TransientError),
        ("server closed the connection unexpectedly", TransientError),
        ("could not translate host name: temporary failure in name resolution", TransientError),
        ("FATAL:  the database system is starting up", TransientError),
        ("FATAL:  sorry, too many clients already", TransientError),
        ('FATAL:  database "shop" is not currently accepting connections', TransientError),
        ('FATAL:  password authentication failed for user "shop"', BackendError),
        ("fe_sendauth: no password supplied", BackendError),
        ('FATAL:  database "shop" does not exist', BackendError),
        ('FATAL:  role "shop" does not exist', BackendError),
        ('FATAL:  no pg_hba.conf entry for host "10.0.0.1", user "shop"', BackendError),
    ],
)
def test_a_connection_that_is_not_made_says_why(said: str, kind: type[BackendError]) -> None:
    assert type(translate(psycopg.OperationalError(said), "here")) is kind


def test_what_psycopg_itself_refuses_is_not_tried_again() -> None:
    assert type(translate(psycopg.DataError("integer out of range"), "here")) is BackendError


def test_a_connection_that_leads_to_the_wrong_server_is_not_used_again() -> None:
    for gone in (errors.ReadOnlySqlTransaction("no"), errors.AdminShutdown("no"), psycopg.OperationalError("lost")):
        assert spoils(gone)
    for refused in (errors.DeadlockDetected("no"), errors.QueryCanceled("no"), errors.UndefinedTable("no")):
        assert not spoils(refused)
