"""Status codes, PS3.7 Annex C and PS3.4."""

import pytest

from archimage.protocol import status
from archimage.protocol.status import Category, Service, Status, category, describe


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (0x0000, Category.SUCCESS),
        (0xFF00, Category.PENDING),
        (0xFF01, Category.PENDING),
        (0xFE00, Category.CANCEL),
        (0x0001, Category.WARNING),
        (0x0107, Category.WARNING),
        (0x0116, Category.WARNING),
        (0xB000, Category.WARNING),
        (0xBFFF, Category.WARNING),
        (0x0110, Category.FAILURE),
        (0xA700, Category.FAILURE),
        (0xC123, Category.FAILURE),
        (0x7777, Category.FAILURE),
    ],
)
def test_a_code_has_one_category(code: int, expected: Category) -> None:
    told = {
        Category.SUCCESS: status.is_success(code),
        Category.PENDING: status.is_pending(code),
        Category.CANCEL: status.is_cancel(code),
        Category.WARNING: status.is_warning(code),
        Category.FAILURE: status.is_failure(code),
    }

    assert category(code) is expected
    assert [one for one, is_it in told.items() if is_it] == [expected]


def test_a_code_means_what_its_service_says() -> None:
    assert describe(0xB000, Service.STORE) == "data elements coerced"
    assert describe(0xB000, Service.MOVE) == "sub-operations complete, some failed"
    assert describe(0xA9FE, Service.FIND) == "identifier does not match SOP class"
    assert describe(0xA801, Service.MOVE) == "move destination unknown"
    assert describe(0x0110, Service.MPPS) == "performed procedure step may no longer be updated"


def test_a_code_of_no_service_means_what_the_standard_says_in_general() -> None:
    assert describe(0x0110, Service.STORE) == describe(0x0110) == "processing failure"
    assert describe(0xC123) == "failure"


def test_every_named_status_has_a_meaning() -> None:
    bare = {one.value for one in Category} - {"success", "pending", "warning"}

    for one in Status:
        meanings = {describe(one), *(describe(one, service) for service in Service)}
        assert meanings - bare, one
