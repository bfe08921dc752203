"""Scripts are served in one file each, which does what its modules do."""

import shutil
import subprocess

import pytest

from archimage.web.pages.linking import link

_MODULES = {
    "page": 'import { one, two as second } from "./numbers.js";\nimport { Sum } from "./sum.js";\n'
    "console.log(new Sum(one, second()).text);\n",
    "sum": 'import { one } from "./numbers.js";\nconst own = one;\n'
    "export class Sum {\n  constructor(a, b) { this.text = `${a + b + own}`; }\n}\n",
    "numbers": "const own = 1;\nexport const one = own;\nexport function two() { return 2; }\n"
    "export async function* none() {}\n",
}


def test_only_what_nothing_imports_is_a_script() -> None:
    assert set(link(_MODULES)) == {"page"}


def test_a_module_that_two_import_is_there_once() -> None:
    assert link(_MODULES)["page"].count("module_numbers = ") == 1


@pytest.mark.skipif(shutil.which("node") is None, reason="node is missing: apt-get install nodejs")
def test_a_linked_script_does_what_its_modules_do() -> None:
    ended = subprocess.run(
        ["node", "-e", link(_MODULES)["page"]], capture_output=True, text=True, timeout=20, check=True
    )
    assert ended.stdout == "4\n"


@pytest.mark.parametrize(
    "text",
    [
        'import { a } from "./missing.js";\n',
        'import all from "./numbers.js";\n',
        'import { a } from "./page.js";\n',
        "export default 1;\n",
        "export let later = 1;\n",
    ],
)
def test_what_is_not_understood_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"\.js"):
        link(_MODULES | {"page": text, "other": 'import { a } from "./page.js";\n'})
