"""The GradBench adapter: recorded requests are answered in the protocol's forms, with derivatives that an imaginary step confirms.

GradBench's own check lets nan and whatever is below 5e-5 pass, and at its sizes the gradient of ode is zero; here every number is compared
to 1e-9 of the largest.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.gradbench.protocol import EVALS, answers
from tests.gradbench import oracles

RECORD = Path(__file__).parent / "gradbench" / "messages.jsonl"
LINES = RECORD.read_text().splitlines()
REQUESTS = [json.loads(line) for line in LINES]
EVALUATED = [request for request in REQUESTS if request["kind"] == "evaluate"]


def answer(message: Any) -> Any:
    """What one message is answered with; a text is sent as it is."""
    (line,) = answers([message if isinstance(message, str) else json.dumps(message)])
    assert "\n" not in line
    return json.loads(line)


def close(found: Any, expected: Any) -> None:
    """Every number is right to 1e-9 of the largest."""
    found, expected = np.array(found, float), np.real(np.array(expected))
    assert found.shape == expected.shape
    assert np.max(np.abs(found - expected)) <= 1e-9 * np.max(np.abs(expected))


def arrays(request: Any, *names: str) -> list[Any]:
    """Fields of the input as arrays."""
    return [np.array(request["input"][name], float) for name in names]


# ---------------------------------------------------------------------------------------------- what each answer has to be


def check_hello(request: Any, output: Any) -> None:
    x = request["input"]
    assert output == (x * x if request["function"] == "square" else 2.0 * x)


def check_lse(request: Any, output: Any) -> None:
    (x,) = arrays(request, "x")
    close(output, oracles.log_sum_exp(x) if request["function"] == "primal" else oracles.gradient(oracles.log_sum_exp, [x], 0))


def check_llsq(request: Any, output: Any) -> None:
    (x,), n = arrays(request, "x"), request["input"]["n"]
    close(output, oracles.misfit(x, n) if request["function"] == "primal" else oracles.gradient(oracles.misfit, [x, n], 0))


def check_ode(request: Any, output: Any) -> None:
    (x,), s = arrays(request, "x"), request["input"]["s"]
    close(output, oracles.solution(x, s) if request["function"] == "primal" else oracles.jacobian(oracles.solution, [x, s], 0)[-1])


def check_det(request: Any, output: Any) -> None:
    order = request["input"]["ell"]
    matrix = np.array(request["input"]["A"]).reshape(order, order)
    value = np.linalg.det(matrix)
    close(output, value if request["function"] == "primal" else (value * np.linalg.inv(matrix).T).ravel())


def check_kmeans(request: Any, output: Any) -> None:
    points, centroids = arrays(request, "points", "centroids")
    squares = np.sum((points[:, None] - centroids) ** 2, axis=-1)
    if request["function"] == "cost":
        return close(output, np.sum(np.min(squares, axis=1)))
    cluster = np.argmin(squares, axis=1)
    return close(output, [centroid - np.mean(points[cluster == j], axis=0) for j, centroid in enumerate(centroids)])


def check_gmm(request: Any, output: Any) -> None:
    args = [*arrays(request, "alpha", "mu", "q", "l", "x"), request["input"]["gamma"], request["input"]["m"]]
    if request["function"] == "objective":
        return close(output, oracles.log_posterior(*args))
    assert list(output) == ["alpha", "mu", "q", "l"]
    expected = [oracles.gradient(oracles.log_posterior, args, place).ravel() for place in range(4)]
    assert [np.shape(output[name]) for name in output] == [np.shape(args[place]) for place in range(4)]
    return close(np.concatenate([np.ravel(output[name]) for name in output]), np.concatenate(expected))


def check_lstm(request: Any, output: Any) -> None:
    args = arrays(request, "main_params", "extra_params", "state", "sequence")
    if request["function"] == "objective":
        return close(output, oracles.lstm_loss(*args))
    return close(output, np.concatenate([oracles.gradient(oracles.lstm_loss, args, place).ravel() for place in range(2)]))


def check_ba(request: Any, output: Any) -> None:
    cam, x, w, feat = arrays(request, "cam", "x", "w", "feat")
    n, m, p = (request["input"][name] for name in "nmp")
    block = np.concatenate([cam, x, [w]])
    if request["function"] == "objective":
        assert [output["reproj_error"]["repeated"], output["w_err"]["repeated"]] == [p, p]
        close(output["reproj_error"]["elements"], oracles.observed(block, feat))
        return close(output["w_err"]["element"], 1 - w * w)
    rows, cols = pattern(n, m, p)
    assert output["rows"] == [*rows[:30], rows[-1]]
    assert output["cols"] == [*cols[:30], cols[-1]]
    return close(output["vals"], [*oracles.jacobian(oracles.observed, [block, feat], 0).ravel(), -2 * w])


def pattern(n: int, m: int, p: int) -> tuple[list[int], list[int]]:
    """Where the rows of the Jacobian begin, and the columns in them."""
    cols = [[11 * (i % n) + k for k in range(11)] + [11 * n + 3 * (i % m) + k for k in range(3)] + [11 * n + 3 * m + i] for i in range(p)]
    lengths = [15] * (2 * p) + [1] * p
    flat = [column for block in cols for column in block * 2] + [11 * n + 3 * m + i for i in range(p)]
    return [sum(lengths[:k]) for k in range(3 * p + 1)], flat


def check_ht(request: Any, output: Any) -> None:
    theta, data = np.array(request["input"]["theta"]), request["input"]["data"]
    us = np.array(request["input"]["us"]) if request["input"]["us"] else None
    if request["function"] == "objective":
        return close(output, oracles.distances(theta, us, data))
    expected = oracles.jacobian(oracles.distances, [theta, us, data], 0)
    if us is not None:
        each = oracles.jacobian(oracles.distances, [theta, us, data], 1)
        own = np.stack([each[:, 0::2].sum(axis=1), each[:, 1::2].sum(axis=1)], axis=1)  # no row depends on another's coordinates
        expected = np.concatenate([own, expected], axis=1)
    return close(output, expected)


def check_particle(request: Any, output: Any) -> None:
    assert output == pytest.approx(0.2071918746486116, rel=1e-12)  # what GradBench itself expects


def check_saddle(request: Any, output: Any) -> None:
    assert output == pytest.approx([8.246324826140356e-06] * 4, rel=1e-12)  # what GradBench itself expects


def titles() -> Iterator[str]:
    for request in EVALUATED:
        yield f"{request['module']}-{request['function']}-{request['id']}"


@pytest.mark.parametrize("request_", EVALUATED, ids=titles())
def test_answers_are_right(request_: Any) -> None:
    reply = answer(request_)
    assert reply["success"], reply["error"]
    assert reply["id"] == request_["id"]
    names = [timing["name"] for timing in reply["timings"]]
    assert names == ["prepare", "evaluate"]
    assert all(isinstance(timing["nanoseconds"], int) for timing in reply["timings"])
    globals()[f"check_{request_['module']}"](request_, reply["output"])


def test_every_eval_is_recorded() -> None:
    assert {request["module"] for request in EVALUATED} == set(EVALS)
    for request in REQUESTS:
        if request["kind"] != "evaluate":
            expected = {"start": {"tool"}, "define": {"success"}, "analysis": set()}[request["kind"]]
            reply = answer(request)
            assert set(reply) - {"config", "id"} == expected and reply["id"] == request["id"]


# ---------------------------------------------------------------------------------------------- the protocol


def test_the_tool_answers_line_by_line_and_prints_nothing_else() -> None:
    lines = [*[json.dumps(request) for request in REQUESTS[:6]], "", "no JSON", '{"id": 9, "kind": "analysis", "of": 5, "valid": false}']
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.gradbench"],
        input="\n".join(lines), capture_output=True, text=True, timeout=300, cwd=Path(__file__).parent.parent, check=True,
    )  # fmt: skip
    replies = [json.loads(line) for line in done.stdout.splitlines()]
    assert [reply["id"] for reply in replies] == [0, 1, 2, 3, 4, 5, None, 9]
    assert [reply["output"] for reply in replies[2:6]] == [1.0, 2.0, 4.0, 8.0]


def test_runs_are_repeated_as_often_and_as_long_as_asked() -> None:
    request = {"id": 1, "kind": "evaluate", "module": "lse", "function": "primal"}
    names = [t["name"] for t in answer({**request, "input": {"x": [1.0, 2.0], "min_runs": 5, "min_seconds": 0}})["timings"]]
    assert names == ["prepare", *["evaluate"] * 5]
    timings = answer({**request, "input": {"x": [1.0, 2.0], "min_runs": 1, "min_seconds": 0.02}})["timings"]
    assert sum(t["nanoseconds"] for t in timings[1:]) >= 0.02e9
    assert len(answer({**request, "input": {"x": [1.0, 2.0], "runs": 3}})["timings"]) == 4


def lse(given: Any) -> Any:
    return {"id": 7, "kind": "evaluate", "module": "lse", "function": "gradient", "input": given}


BAD = [
    ("{oops", None, "not JSON"),
    ("[" * 100_000, None, "not JSON"),
    ([1], None, "the message is [1], not an object"),
    ({"kind": "start"}, None, "the message has no field 'id'"),
    ({"id": 3}, 3, "the message has no field 'kind'"),
    ('{"id": NaN, "kind": "start"}', None, "the message.id is nan"),
    ('{"id": [1e999], "kind": "start"}', None, "the message.id is [inf]"),
    ({"id": 3, "kind": 1}, 3, "the message.kind is 1, not a text"),
    ({"id": 3, "kind": "dance"}, 3, "the message's kind is 'dance'"),
    ({"id": 3, "kind": "define", "module": "../../etc"}, 3, "there is no eval '../../etc'"),
    ({"id": 3, "kind": "evaluate", "module": "hello", "function": "cube", "input": 1}, 3, "no function 'cube'; it has square, double"),
    ({"id": 3, "kind": "evaluate", "module": "hello", "function": "square"}, 3, "the message has no field 'input'"),
    ('{"id": 3, "kind": "evaluate", "module": "hello", "function": "square", "input": NaN}', 3, "finite"),
    ({"id": 3, "kind": "evaluate", "module": "hello", "function": "square", "input": 1e200}, 3, "the output has numbers that are infinite"),
    (lse(3), 7, "input is 3, not an object"),
    (lse({}), 7, "input has no field 'x'"),
    (lse({"x": []}), 7, "input.x is [], not at least one number"),
    (lse({"x": ["a"]}), 7, "input.x is ['a'], not a list (any) of finite numbers"),
    (lse({"x": [[1.0, 2.0]]}), 7, "input.x is [[1.0, 2.0]], not a list (any) of numbers"),
    (lse({"x": [[1, 2], [3]]}), 7, "input.x has lists of different lengths"),
    (lse({"x": [1.0], "min_runs": 0}), 7, "input.min_runs is 0, not a whole number of at least 1"),
    (lse({"x": [1.0], "min_runs": 10**30}), 7, "not a whole number of at least 1 and below 2**63"),
]


@pytest.mark.parametrize(("message", "number", "reason"), BAD, ids=[reason for _, _, reason in BAD])
def test_a_bad_message_is_answered_with_what_is_wrong(message: Any, number: int | None, reason: str) -> None:
    reply = answer(message)
    assert reply["id"] == number and reply["success"] is False
    assert reason in reply["error"] and "Traceback" not in reply["error"]


def test_inputs_that_contradict_themselves_are_refused() -> None:
    def refused(module: str, **changes: Any) -> str:
        request = next(r for r in EVALUATED if r["module"] == module)
        reply = answer({**request, "input": {**request["input"], **changes}})
        assert reply["success"] is False
        return str(reply["error"])

    assert "input.mu" in refused("gmm", mu=[[0.0]])
    assert "input.A" in refused("det", ell=4)
    assert "at most 62" in refused("det", ell=63)
    assert "input has main_params" in refused("lstm", sequence=[[0.0, 0.0, 0.0]])
    data = EVALUATED[-1]["input"]["data"]
    assert "input.us is 1.5, not a list" in refused("ht", us=1.5)
    assert "parents" in refused("ht", data={**data, "model": {**data["model"], "parents": [0] * 22}})
