"""The plans that SQLite makes of queries: what must be quick is led by an index."""

import sqlite3
from contextlib import closing
from itertools import product
from pathlib import Path

import pytest

from archimage.index import statements
from archimage.index.dialect import Dialect
from archimage.index.postgresql_dialect import PostgresqlDialect
from archimage.index.sqlite import SqliteIndex
from archimage.index.sqlite_dialect import SqliteDialect
from archimage.model.attributes import ATTRIBUTES, BY_COLUMN, Level
from archimage.model.query import Condition, DateTimeRange, Exact, Match, OrderBy, Query, Range, UIDList, Wildcard

PAGES = [(1, 0), (100, 0), (100, 300), (1, 7)]
STUDY_COLUMNS = tuple(attribute for attribute in ATTRIBUTES if attribute.level.depth <= Level.STUDY.depth)


def plan(path: Path, query: Query) -> list[str]:
    """Return the steps of a query's plan."""
    found = statements.find(query, SqliteDialect())
    with closing(sqlite3.connect(path)) as connection:
        return [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {found.text}", found.parameters)]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make an empty index."""
    made = tmp_path_factory.mktemp("plans") / "index.db"
    SqliteIndex(made).close()
    return made


@pytest.mark.parametrize("level", [Level.PATIENT, Level.STUDY, Level.SERIES, Level.IMAGE])
@pytest.mark.parametrize(
    ("column", "match"),
    [
        ("patient_id", Exact("P")),
        ("patient_id", Wildcard("P*")),
        ("patient_name", Exact("Doe")),
        ("patient_name", Wildcard("Doe*")),
        ("patient_birth_date", Range("1970", "1971")),
        ("study_instance_uid", Exact("1.2")),
        ("study_instance_uid", UIDList(("1.2", "1.3"))),
        ("accession_number", Exact("A")),
        ("accession_number", Wildcard("A*")),
        ("study_date", Range("20200101", "20200102")),
        ("referring_physician_name", Wildcard("Doe*")),
        ("series_instance_uid", Exact("1.2")),
        ("frame_of_reference_uid", Exact("1.2")),
        ("sop_instance_uid", Exact("1.2")),
        ("sop_instance_uid", UIDList(("1.2", "1.3"))),
    ],
)
def test_keys_with_an_index_lead_at_every_level(path: Path, level: Level, column: str, match: Match) -> None:
    asked = tuple(attribute for attribute in STUDY_COLUMNS if attribute.level.depth <= level.depth)
    steps = plan(path, Query(level, (Condition(BY_COLUMN[column], match),), asked))
    assert not [step for step in steps if step.startswith("SCAN") and "anon" not in step and "json_each" not in step]


@pytest.mark.parametrize("fuzzy", [False, True])
def test_names_are_looked_up_by_their_keys(path: Path, fuzzy: bool) -> None:
    query = Query(Level.STUDY, (Condition(BY_COLUMN["patient_name"], Wildcard("doe*")),), fuzzy=fuzzy)
    steps = plan(path, query)
    assert "SEARCH name_key USING PRIMARY KEY (kind=? AND key>? AND key<?)" in steps
    assert any("ix_patient_patient_name" in step for step in steps)


def test_a_combined_range_is_led_by_its_dates(path: Path) -> None:
    span = DateTimeRange(BY_COLUMN["study_date"], BY_COLUMN["study_time"], Range("2020010110", "2020010112"))
    for level in (Level.PATIENT, Level.STUDY):
        steps = plan(path, Query(level, (span,)))
        assert any("ix_study_study_date_study_time (study_date>? AND study_date<?)" in step for step in steps)


def test_the_newest_studies_are_read_in_the_order_of_an_index(path: Path) -> None:
    newest = (OrderBy(BY_COLUMN["study_date"], True), OrderBy(BY_COLUMN["study_time"], True))
    steps = plan(path, Query(Level.STUDY, (), STUDY_COLUMNS, newest, 100))
    assert any(step.startswith("SCAN study USING") and "ix_study_study_date_study_time" in step for step in steps)
    assert steps.count("USE TEMP B-TREE FOR ORDER BY") == 1, "only the rows of the page are sorted"


def test_counts_of_a_page_are_worked_out_for_its_rows_alone(path: Path) -> None:
    steps = plan(path, Query(Level.STUDY, (), STUDY_COLUMNS, limit=100, offset=50_000))
    assert steps[0] == "SEARCH study USING INTEGER PRIMARY KEY (rowid=?)"


def test_a_cut_without_an_order_does_not_walk_the_whole_table(path: Path) -> None:
    dates = Condition(BY_COLUMN["study_date"], Range("20200101", "20200102"))
    steps = plan(path, Query(Level.STUDY, (dates,), limit=10))
    assert any(step.startswith("SEARCH study") and "ix_study_study_date_study_time" in step for step in steps)


def test_studies_of_a_modality_are_found_and_counted_among_its_series(path: Path) -> None:
    modality = (Condition(BY_COLUMN["modalities_in_study"], Exact("CT")),)
    for query in (Query(Level.STUDY, modality), Query(Level.STUDY, modality, STUDY_COLUMNS, limit=100)):
        steps = plan(path, query)
        assert any("ix_series_study_pk_modality" in step for step in steps)
        assert not [step for step in steps if step.startswith("SCAN study")]
    counted = statements.count(Query(Level.STUDY, modality), SqliteDialect())
    assert "FROM study" not in counted.text


def test_what_lists_the_rows_has_no_parameters_of_its_own() -> None:
    sortable = [attribute for attribute in ATTRIBUTES if not attribute.multiple]
    for level in Level:
        order = tuple(OrderBy(attribute) for attribute in sortable if attribute.level.depth <= level.depth)
        for limit, among in product((None, 100, 100_000), (None, (1, 2))):
            listed = statements.find(Query(level, (), ATTRIBUTES, order, limit, among=among), SqliteDialect())
            assert listed.parameters.keys() <= {"limit_rows", "offset_rows", "among_keys"}


@pytest.mark.parametrize("dialect", [SqliteDialect(), PostgresqlDialect()])
def test_every_page_but_the_first_has_one_statement_with_its_own_parameters(dialect: Dialect) -> None:
    pages = [statements.find(Query(Level.STUDY, limit=limit, offset=offset), dialect) for limit, offset in PAGES]
    assert len({page.text for page in pages[:2]}) == len({page.text for page in pages[2:]}) == 1
    assert [(page.parameters["limit_rows"], page.parameters["offset_rows"]) for page in pages] == PAGES


def test_a_first_page_tells_the_planner_that_nothing_is_left_out() -> None:
    first, later = (statements.find(Query(Level.STUDY, limit=9, offset=at), PostgresqlDialect()) for at in (0, 9))
    assert "OFFSET 0" in first.text
    assert "OFFSET %(offset_rows)s" in later.text


def test_counts_never_read_the_instances(path: Path) -> None:
    steps = plan(path, Query(Level.STUDY, (), STUDY_COLUMNS))
    assert not [step for step in steps if " instance" in step]
    assert not [step for step in steps if step.startswith(("SCAN inner", "SEARCH inner_study USING AUTOMATIC"))]
