"""What can be wrong with a database, its schema and a role, and what to do about it."""

from __future__ import annotations

from flowcraft_core.diagnosis import Symptom

UNREACHABLE = Symptom(
    code="POSTGRES-UNREACHABLE",
    part="server",
    severity="error",
    problem="PostgreSQL does not answer: {why}",
    remedy="see whether the server runs and takes connections, and whether this machine reaches it (host, port, "
    "firewall, pooler)",
)
CREDENTIALS = Symptom(
    code="POSTGRES-CREDENTIALS",
    part="server",
    severity="error",
    problem="PostgreSQL does not take the user or the password: {why}",
    remedy="give the right ones (PGUSER, PGPASSWORD, ~/.pgpass); pg_hba.conf on the server says who may come from "
    "where",
)
DATABASE_MISSING = Symptom(
    code="POSTGRES-DATABASE-MISSING",
    part="server",
    severity="error",
    problem="there is no such database: {why}",
    remedy="create the database, with UTF8, or mend its name",
)
ENCODING = Symptom(
    code="POSTGRES-ENCODING",
    part="database",
    severity="error",
    problem="the database's encoding is {encoding}, which has not every text",
    remedy="create another database with ENCODING UTF8: it cannot be changed",
)
READ_ONLY = Symptom(
    code="POSTGRES-READ-ONLY",
    part="server",
    severity="error",
    problem="the server takes no writes: {why}",
    remedy="give the address of the primary, or of several hosts with target_session_attrs=read-write",
)
SCHEMA_MISSING = Symptom(
    code="POSTGRES-SCHEMA-MISSING",
    part="schema",
    severity="warning",
    problem="there is no schema {schema!r} with Flowcraft's tables",
    remedy="nothing, if no program has used it yet: the first one creates it. If there are to be runs in it, mend the "
    "name of the schema or of the database",
)
SCHEMA_FORBIDDEN = Symptom(
    code="POSTGRES-SCHEMA-FORBIDDEN",
    part="schema",
    severity="error",
    problem="there is no schema {schema!r} with Flowcraft's tables, and the role {role!r} may not make it",
    remedy="call flowcraft_postgres.provision() as a role that may, or run the SQL of python -m flowcraft_postgres "
    "schema, and give rights; or mend the name",
)
SCHEMA_NEWER = Symptom(
    code="POSTGRES-SCHEMA-NEWER",
    part="schema",
    severity="error",
    problem="the schema {schema!r} has version {version}, and this flowcraft-postgres knows {known} at most",
    remedy="upgrade flowcraft-postgres",
)
FOREIGN = Symptom(
    code="POSTGRES-FOREIGN",
    part="schema",
    severity="error",
    problem="the schema {schema!r} belongs to another program",
    remedy="give Flowcraft a schema of its own",
)
TABLES_MISSING = Symptom(
    code="POSTGRES-TABLES-MISSING",
    part="schema",
    severity="error",
    problem="the schema {schema!r} has no table {names}",
    remedy="restore it from a backup; somebody has dropped it",
)
PERMISSION = Symptom(
    code="POSTGRES-PERMISSION",
    part="role",
    severity="error",
    problem="the role {role!r} is not allowed {rights}",
    remedy="give it the rights of python -m flowcraft_postgres grants {kind} {role}",
)
SYNCHRONOUS_COMMIT = Symptom(
    code="POSTGRES-SYNCHRONOUS-COMMIT",
    part="server",
    severity="warning",
    problem="synchronous_commit is off for the role {role!r}, without the backend having asked for it",
    remedy="say synchronous_commit='on' if a crash of the server is to take nothing (ALTER ROLE, or the backend's "
    "argument); say 'off' to the backend if the last moments may be lost",
)
OLD_TRANSACTION = Symptom(
    code="POSTGRES-OLD-TRANSACTION",
    part="server",
    severity="warning",
    problem="a transaction has been open for {minutes:.0f} minutes (process {process}, {user!r}, {program!r})",
    remedy="find out who forgot it, and end it (pg_terminate_backend): until then the server cannot remove what is "
    "dead, and every queue in it gets slower",
)
UNUSABLE = Symptom(
    code="POSTGRES-UNUSABLE",
    part="database",
    severity="error",
    problem="the database cannot be used: {why}",
    remedy="do what the message says",
)

#: All of them.
SYMPTOMS = (
    UNREACHABLE,
    CREDENTIALS,
    DATABASE_MISSING,
    ENCODING,
    READ_ONLY,
    SCHEMA_MISSING,
    SCHEMA_FORBIDDEN,
    SCHEMA_NEWER,
    FOREIGN,
    TABLES_MISSING,
    PERMISSION,
    SYNCHRONOUS_COMMIT,
    OLD_TRANSACTION,
    UNUSABLE,
)
