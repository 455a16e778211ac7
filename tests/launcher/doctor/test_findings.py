"""How findings are shown."""

from __future__ import annotations

import json

from imgcls.doctor.findings import Finding, failed, lines, said, to_json

ALIKE = [Finding("memory", name, "ok", "8 GiB free") for name in ("n1", "n2", "n3")]
WRONG = [Finding("storage", name, "error", "/runs is another folder there", "mount it") for name in ("n2", "n3")]
ALL = [*ALIKE, Finding("storage", "n1", "ok", "written and read"), *WRONG]


def test_nodes_that_agree_share_a_line_and_others_are_named_with_what_mends_them():
    assert [line for _, line in lines(ALL)] == [
        "memory   ok       all 3 nodes: 8 GiB free",
        "storage  ok       n1: written and read",
        "storage  error    n2, n3: /runs is another folder there",
        "    mend: mount it",
    ]


def test_a_long_list_of_good_nodes_is_counted_and_their_figures_cut():
    many = [Finding("memory", f"n{number}", "ok", f"{number} GiB free") for number in range(9)]
    few = [Finding("disk", f"n{number}", "ok", "room") for number in range(8)]
    shown = [line for _, line in lines([*many, *few])]
    assert shown[0].startswith(
        "memory  ok       all 9 nodes: 0 GiB free; 1 GiB free; 2 GiB free; 3 GiB free; and 5 more"
    )
    assert shown[1] == "disk    ok       8 nodes: room"


def test_bad_nodes_are_all_named():
    many = [Finding("disk", f"n{number}", "error", "full") for number in range(8)]
    assert said([*many, Finding("disk", "n8", "ok", "room")], "error") == [
        "disk, n0, n1, n2, n3, n4, n5, n6, n7: full"
    ]


def test_in_a_message_each_problem_is_one_text():
    assert said(ALL, "error") == ["storage, n2, n3: /runs is another folder there; mount it"]
    assert said(ALL, "warning") == []


def test_warnings_are_no_failure():
    assert failed(ALL)
    assert not failed([*ALIKE, Finding("clock", "n1", "warning", "2 s ahead")])


def test_json_has_a_finding_each():
    assert json.loads(to_json(ALL))[-1] == {
        "check": "storage",
        "node": "n3",
        "status": "error",
        "detail": "/runs is another folder there",
        "mend": "mount it",
    }
