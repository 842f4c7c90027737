"""Array programs as their users would write them, against the complex step run on the same text."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import stagegrad
from stagegrad import Staged
from tests.complex_step import complex_step, copied, differences, flat, leaves, load, replaced

FOLDER = Path(__file__).parent / "programs" / "arrays"
NAMES = sorted(path.stem for path in FOLDER.glob("[!_]*.py"))
#: Programs whose second derivatives are compared as well, and the position of the scalar whose gradient is differentiated.
CURVED = {
    "american_option": 3,
    "arma_likelihood": 4,
    "burgers": 1,
    "gauss_seidel": 2,
    "gaussian_process": 3,
    "heat_stepping": 1,
    "hamiltonian_monte_carlo": 5,
    "heston_paths": 2,
    "image_blur": 2,
    "lorenz_sensitivity": 2,
    "pagerank": 1,
    "quaternion_attitude": 4,
    "rk4_fit": 0,
    "shallow_water": 2,
    "sinkhorn": 4,
}
#: Programs that autograd can express: no writes in place, and only functions that it knows.
KNOWN_TO_AUTOGRAD = (
    *("bundle_adjustment", "choice_of_activation", "closure_over_data", "crf_log_partition", "dictionary_of_parameters"),
    *("embedding_cross_entropy", "forward_kinematics", "gaussian_process", "haar_wavelet", "history_by_append", "hmm_forward"),
    *("ising_energy", "kalman_filter", "layer_norm", "list_of_layers", "lstm_sequence", "mlp_digits", "pca_power_iteration"),
    *("portfolio_penalty", "quadrature_of_a_callable", "sinkhorn", "softmax_regression", "tucker_contraction"),
)

Arguments = tuple[Any, ...]


def program(name: str) -> ModuleType:
    """The module of a program; the function has its name."""
    return importlib.import_module(f"tests.programs.arrays.{name}")


def function(name: str) -> Callable[..., Any]:
    """The untouched function."""
    found: Callable[..., Any] = getattr(program(name), name)
    return found


def floats(arguments: Arguments) -> tuple[int, ...]:
    """The positions to differentiate at: all that hold floats."""
    return tuple(k for k, argument in enumerate(arguments) if leaves(argument))


@functools.cache
def staged(name: str, target: Any) -> Staged[..., Any]:
    """The compiled function, made once for a target."""
    wrt = floats(program(name).CALLS[0])
    return stagegrad.compile(function(name), wrt=wrt, target=target, cache=False)


@functools.cache
def oracle(name: str, call: int) -> np.ndarray:
    """The gradient that is true."""
    return complex_step(FOLDER / f"{name}.py", program(name).CALLS[call])


def judge(name: str, target: str, call: int, arguments: Arguments) -> None:
    """Requires value and gradient of a program to be right, and the caller's arrays to be left alone."""
    given = copied(arguments)
    value, gradient = staged(name, target).value_and_grad(*given)
    assert same(given, arguments), "a gradient call must not write to its arguments"
    plain = function(name)(*copied(arguments))
    rounding = precision(arguments)
    assert value == pytest.approx(plain, rel=1e4 * rounding, abs=1e4 * rounding)
    active = tuple(arguments[k] for k in floats(arguments))
    gradient = gradient if len(active) > 1 else (gradient,)
    assert forms(gradient) == forms(active)
    agree(flat(gradient), oracle(name, call), 1e6 * rounding)


def same(left: Any, right: Any) -> bool:
    """Whether two structures hold the same numbers, nan equal to nan."""
    return np.array_equal(flat(left), flat(right), equal_nan=True)


def forms(tree: Any) -> list[tuple[tuple[int, ...], np.dtype[Any]]]:
    """The shapes and types of all floats of a structure, in order."""
    return [(np.shape(leaf), np.asarray(leaf).dtype) for leaf in leaves(tree)]


def precision(arguments: Arguments) -> float:
    """About the rounding unit of the shortest floats among the arguments (for single precision less, as limits are multiples of it)."""
    single = any(np.asarray(leaf).dtype == np.float32 for leaf in leaves(arguments))
    return 1e-11 if single else 1e-16


def agree(found: np.ndarray, expected: np.ndarray, tolerance: float) -> None:
    """Requires equality, relative to the largest number."""
    scale = max(1.0, float(np.max(np.abs(expected))))
    assert np.allclose(found, expected, rtol=0.0, atol=tolerance * scale), f"{found}\nagainst\n{expected}"


# ---------------------------------------------------------------------------------------------- the programs


@pytest.mark.parametrize("name", NAMES)
def test_the_oracles_agree(name: str) -> None:
    for call, arguments in enumerate(program(name).CALLS):
        # Single precision inside the function leaves the differences few digits.
        agree(differences(function(name), arguments), oracle(name, call), 1e8 * precision(arguments))


@pytest.mark.parametrize("name", KNOWN_TO_AUTOGRAD)
def test_autograd_agrees_with_the_oracle(name: str) -> None:
    autograd = pytest.importorskip("autograd", reason="a third opinion, where it is installed")
    function = load(FOLDER / f"{name}.py", {"numpy": autograd.numpy}, {})
    for call, arguments in enumerate(program(name).CALLS):
        active = floats(arguments)

        def value(point: Arguments, arguments: Arguments = arguments, active: tuple[int, ...] = active) -> Any:
            return function(*(point[active.index(k)] if k in active else argument for k, argument in enumerate(arguments)))

        agree(flat(autograd.grad(value)(tuple(arguments[k] for k in active))), oracle(name, call), 1e-9)


@pytest.mark.sampled(8)
@pytest.mark.parametrize("target", ["numpy", "numba"])
@pytest.mark.parametrize("name", NAMES)
def test_value_and_gradient(name: str, target: str) -> None:
    for call, arguments in enumerate(program(name).CALLS):
        judge(name, target, call, arguments)


@pytest.mark.parametrize("name", NAMES)
def test_a_plain_call_does_what_the_function_does(name: str) -> None:
    for arguments in program(name).CALLS:
        given, expected = copied(arguments), copied(arguments)
        plain = function(name)(*expected)
        assert staged(name, "numpy")(*given) == pytest.approx(plain, rel=1e3 * precision(arguments), abs=1e3 * precision(arguments))
        assert np.allclose(flat(given), flat(expected), rtol=1e-13, atol=1e-13, equal_nan=True), "not written as the function writes"


@pytest.mark.parametrize("layout", ["fortran", "strided", "reversed", "read-only"])
@pytest.mark.parametrize("name", NAMES)
def test_any_memory_layout(name: str, layout: str) -> None:
    arguments = replaced(program(name).CALLS[0], lambda leaf: laid_out(leaf, layout))
    value, gradient = staged(name, "numpy").value_and_grad(*arguments)
    rounding = precision(arguments)
    assert value == pytest.approx(function(name)(*copied(program(name).CALLS[0])), rel=1e4 * rounding, abs=1e4 * rounding)
    agree(flat(gradient), oracle(name, 0), 1e6 * rounding)
    assert not any(np.may_share_memory(g, a) for g in leaves(gradient) for a in leaves(arguments))


def laid_out(leaf: Any, layout: str) -> Any:
    """The same numbers, otherwise laid out in memory."""
    if isinstance(leaf, float):
        return leaf
    match layout:
        case "fortran":
            return np.asfortranarray(leaf)
        case "strided":
            return np.repeat(leaf, 2, axis=-1)[..., ::2]
        case "reversed":
            return leaf[::-1].copy()[::-1]
    frozen = leaf.copy()
    frozen.flags.writeable = False
    return frozen


# ---------------------------------------------------------------------------------------------- training


@pytest.mark.parametrize("target", ["numpy", "numba"])
def test_a_network_learns_digits(target: Any) -> None:
    """Stochastic gradient descent with compiled gradients reads 95 of 100 digits that it has never seen."""
    module = program("mlp_digits")
    loss = stagegrad.compile(module.mlp_digits, wrt=(0, 1, 2, 3), target=target, cache=False)
    weights = module.start(24)
    pictures, labels = module.digits(2000, 0.1, 60)
    rng = np.random.default_rng(61)
    for _ in range(15):
        for batch in rng.permutation(2000).reshape(100, 20):
            gradients = loss.grad(*weights, pictures[batch], labels[batch])
            weights = [weight - 0.5 * slope for weight, slope in zip(weights, gradients, strict=True)]
    unseen, truth = module.digits(400, 0.1, 62)
    assert np.mean(np.argmax(module.predict(*weights, unseen), axis=1) == truth) > 0.95


# ---------------------------------------------------------------------------------------------- curvature


@pytest.mark.parametrize("name", CURVED)
def test_second_derivatives(name: str) -> None:
    """The gradient of one scalar parameter's gradient, against differences of the complex step's gradients."""
    arguments = program(name).CALLS[0]
    active, row = floats(arguments), CURVED[name]
    slope = stagegrad.grad(function(name), row)
    value, curvature = stagegrad.compile(slope, wrt=active, target="numpy", cache=False).value_and_grad(*arguments)
    place = flat(arguments[:row]).size
    agree(np.array([value]), oracle(name, 0)[place : place + 1], 1e-10)
    agree(flat(curvature), differences(functools.partial(gradient_of, name), arguments, only=place)[0], 1e-8)


def gradient_of(name: str, *arguments: Any) -> np.ndarray:
    """The true gradient at any point."""
    return complex_step(FOLDER / f"{name}.py", arguments)
