"""What a type checker sees of the public surface: run by mypy in `test_public`, never by Python."""

from typing import Any, assert_type

import stagegrad
from stagegrad import Staged


@stagegrad.compile
def product(x: float, y: float = 1.0) -> float:
    return x * y


@stagegrad.compile(wrt="x", target="python")
def power(x: float, n: int) -> float:
    return x**n


@stagegrad.compile(types={"x": "float64[:]"}, target="numpy")
def first(x: Any) -> float:
    return float(x[0])


assert_type(product(2.0), float)
assert_type(first(2.0), float)
assert_type(first.source(types={"x": "float64[:, :]"}), str)
assert_type(product.value_and_grad(2.0, y=3.0), tuple[float, Any])
# A gradient is whatever the argument is: a float, an array, a container.
assert_type(stagegrad.grad(product)(1.0), Any)
assert_type(stagegrad.grad(stagegrad.grad(product))(1.0, y=2.0), Any)
assert_type(stagegrad.grad(product, ("x", 1))(1.0), tuple[Any, ...])
assert_type(stagegrad.value_and_grad(power)(1.0, 2), tuple[float, Any])
assert_type(stagegrad.value_and_grad(power, ["x"])(1.0, 2), tuple[float, tuple[Any, ...]])
assert_type(stagegrad.formula("x*y"), Staged[..., float])
assert_type(product.map([1.0], 2.0, parallel=True), Any)

product("a")  # type: ignore[arg-type]  # the parameters of the function are kept
product.grad(1.0, z=2.0)  # type: ignore[call-arg]
stagegrad.grad(product)(1.0, 2.0, 3.0)  # type: ignore[call-arg]
power(1.0, 2.5)  # type: ignore[arg-type]
stagegrad.compile(power, target="cuda")  # type: ignore[call-overload]
