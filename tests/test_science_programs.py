"""Programs of science and engineering as their users write them, unlike one another; see tests/user_programs.py for what is compared."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from math import atan2, cos, sin
from typing import Any, NamedTuple

import numpy as np
import pytest

from tests.user_programs import Programs, compare

PROGRAMS = Programs()
called_with = PROGRAMS.called_with
_rng = np.random.default_rng(5)


# ---------------------------------------------------------------------------------------------- iterations that stop by themselves


@called_with(0.83, 0.2, 0.9, 0.35)
def vincenty(phi1, lam1, phi2, lam2):
    a, flat = 6378.137, 1 / 298.257223563
    b = (1 - flat) * a
    u1 = math.atan((1 - flat) * math.tan(phi1))
    u2 = math.atan((1 - flat) * math.tan(phi2))
    lam = lam2 - lam1
    for _ in range(100):
        ss = math.hypot(cos(u2) * sin(lam), cos(u1) * sin(u2) - sin(u1) * cos(u2) * cos(lam))
        if ss == 0:
            return 0.0
        cs = sin(u1) * sin(u2) + cos(u1) * cos(u2) * cos(lam)
        sigma = atan2(ss, cs)
        sa = cos(u1) * cos(u2) * sin(lam) / ss
        c2a = 1 - sa**2
        c2m = cs - 2 * sin(u1) * sin(u2) / c2a if c2a != 0 else 0.0
        c = flat / 16 * c2a * (4 + flat * (4 - 3 * c2a))
        before = lam
        lam = lam2 - lam1 + (1 - c) * flat * sa * (sigma + c * ss * (c2m + c * cs * (-1 + 2 * c2m**2)))
        if abs(lam - before) < 1e-12:
            break
    else:
        raise ValueError("no convergence")
    squared = c2a * (a**2 - b**2) / b**2
    return b * (1 + squared / 4) * (sigma - squared * ss * c2m)


def _simpson(f, a, fa, b, fb, m, fm, whole, tol, depth):
    left_middle, right_middle = 0.5 * (a + m), 0.5 * (m + b)
    fl, fr = f(left_middle), f(right_middle)
    left = (m - a) / 6 * (fa + 4 * fl + fm)
    right = (b - m) / 6 * (fm + 4 * fr + fb)
    delta = left + right - whole
    if depth <= 0 or abs(delta) <= 15 * tol:
        return left + right + delta / 15
    first = _simpson(f, a, fa, m, fm, left_middle, fl, left, tol / 2, depth - 1)
    return first + _simpson(f, m, fm, b, fb, right_middle, fr, right, tol / 2, depth - 1)


@called_with(0.1, 2.0, 3.0)
def adaptive_simpson(a, b, k):
    f = lambda x: math.exp(-x) * math.sin(k * x * x)  # noqa: E731
    m = 0.5 * (a + b)
    fa, fb, fm = f(a), f(b), f(m)
    return _simpson(f, a, fa, b, fb, m, fm, (b - a) / 6 * (fa + 4 * fm + fb), 1e-7, 12)


# ---------------------------------------------------------------------------------------------- particles, and who is near whom


@called_with(_rng.random((7, 3)) * 3, np.array([3.0, 3.0, 3.0]), 1.2, 1.4)
def box_of_particles(pos, box, rc, sigma):
    n = len(pos)
    energy = virial = 0.0
    shift = 4 * ((sigma / rc) ** 12 - (sigma / rc) ** 6)
    for i in range(n - 1):
        for j in range(i + 1, n):
            d = pos[i] - pos[j]
            d -= box * np.rint(d / box)
            r2 = np.dot(d, d)
            if r2 >= rc * rc:
                continue
            s6 = (sigma**2 / (r2 + 0.3)) ** 3
            energy += 4 * (s6 * s6 - s6) - shift
            virial += 24 * (2 * s6 * s6 - s6)
    return energy + 0.01 * virial


@called_with(_rng.random((8, 2)) * 3, 1.0)
def cell_list(pos, rc):
    cells = 3
    head = np.full((cells, cells), -1)
    following = np.full(len(pos), -1)
    for i in range(len(pos)):
        cx, cy = min(int(pos[i, 0]), cells - 1), min(int(pos[i, 1]), cells - 1)
        following[i] = head[cx, cy]
        head[cx, cy] = i
    energy = 0.0
    for cx in range(cells):
        for cy in range(cells):
            for dx in (-1, 0, 1):
                for dy in (-1, 0, 1):
                    i = head[cx, cy]
                    while i != -1:
                        j = head[(cx + dx) % cells, (cy + dy) % cells]
                        while j != -1:
                            if i < j:
                                d = pos[i] - pos[j]
                                d -= 3.0 * np.round(d / 3.0)
                                r2 = d[0] ** 2 + d[1] ** 2
                                if r2 < rc * rc:
                                    energy += (1 - math.sqrt(r2 + 1e-9) / rc) ** 2
                            j = following[j]
                        i = following[i]
    return energy


@called_with(_rng.random((5, 3)), np.array([1.0, -1, 1, -1, 0.5]), 2.2)
def ewald(pos, q, alpha):
    q = q - np.mean(q)
    near = far = 0.0
    for i in range(len(q)):
        for j in range(i):
            d = pos[i] - pos[j]
            d = d - np.round(d)
            r = np.sqrt(np.sum(d**2)) + 0.1
            near += q[i] * q[j] * math.erfc(alpha * r) / r
    for kx in range(-1, 2):
        for ky in range(-1, 2):
            if kx == ky == 0:
                continue
            k = 2 * np.pi * np.array([kx, ky, 1])
            phase = pos @ k
            c, s = np.sum(q * np.cos(phase)), np.sum(q * np.sin(phase))
            far += np.exp(-(k @ k) / (4 * alpha**2)) / (k @ k) * (c * c + s * s)
    return near + 2 * np.pi * far - alpha / np.sqrt(np.pi) * np.sum(q**2)


class Ray(NamedTuple):
    origin: np.ndarray
    along: np.ndarray


def _hit(ray, centre, r):
    away = ray.origin - centre
    b = np.dot(away, ray.along)
    disc = b * b - (away @ away - r * r)
    if disc < 0:
        return -1.0
    s = math.sqrt(disc)
    if -b - s > 1e-4:
        return -b - s
    return s - b if s - b > 1e-4 else -1.0


@called_with(np.array([[0.0, 0, 3], [0.8, 0.3, 4], [-0.7, 0.2, 2.5]]), np.array([1.0, 0.6, 0.4]), np.array([0.3, 0.6, -0.2]), 2)
def ray_bounces(centres, radii, light, bounces: int):
    total = 0.0
    toward = light / np.linalg.norm(light)
    for pixel in range(3):
        d = np.array([(pixel - 1) * 0.3, 0.05, 1.0])
        d /= np.linalg.norm(d)
        ray = Ray(np.zeros(3), d)
        weight = 1.0
        for _ in range(bounces + 1):
            best, k = 1e9, -1
            for i in range(len(radii)):
                t = _hit(ray, centres[i], radii[i])
                if 0 < t < best:
                    best, k = t, i
            if k < 0:
                total += weight * 0.5 * (1 + ray.along[1])
                break
            p = ray.origin + best * ray.along
            n = (p - centres[k]) / radii[k]
            total += weight * max(0.0, n @ toward)
            weight *= 0.5
            ray = Ray(p, ray.along - 2 * (ray.along @ n) * n)
    return total


# ---------------------------------------------------------------------------------------------- grids


@called_with(np.linspace(0, 1, 12) ** 2, 0.4, 6)
def limited_advection(u, c, steps: int):
    def minmod(a, b):
        if a * b <= 0:
            return 0.0
        return a if abs(a) < abs(b) else b

    n = u.size
    for _ in range(steps):
        slope = np.zeros(n)
        for i in range(n):
            slope[i] = minmod(u[i] - u[i - 1], u[(i + 1) % n] - u[i])
        flux = c * (u + 0.5 * (1 - c) * slope)
        u = u - (flux - np.roll(flux, 1))
    return (u * np.arange(n)).sum()


@called_with(1 + 0.2 * np.sin(np.linspace(0, 6, 10)), np.zeros(10), 9.81, 0.02, 4)
def shallow_water(h, hu, g, ratio, steps: int):
    state = np.stack([h, hu])
    for _ in range(steps):
        height, m = state[0], state[1]
        u = m / height
        f = np.array([m, m * u + 0.5 * g * height**2])
        speed = np.abs(u) + np.sqrt(g * height)
        fastest = np.maximum(speed[:-1], speed[1:])
        flux = 0.5 * (f[:, :-1] + f[:, 1:]) - 0.5 * fastest * (state[:, 1:] - state[:, :-1])
        new = state.copy()
        new[:, 1:-1] -= ratio * (flux[:, 1:] - flux[:, :-1])
        new[0, 0], new[1, 0] = new[0, 1], -new[1, 1]
        new[:, -1] = new[:, -2] * np.array([1, -1])
        state = new
    return state[0, 5] ** 2 + np.sum(state[1] * np.linspace(-1, 1, 10))


CX, CY = np.array([0, 1, 0, -1, 0, 1, -1, -1, 1]), np.array([0, 0, 1, 0, -1, 1, 1, -1, -1])
WEIGHTS = np.array([4 / 9] + [1 / 9] * 4 + [1 / 36] * 4)


def _equilibrium(rho, ux, uy):
    made = np.empty((9, *rho.shape))
    for k in range(9):
        cu = CX[k] * ux + CY[k] * uy
        made[k] = WEIGHTS[k] * rho * (1 + 3 * cu + 4.5 * cu**2 - 1.5 * (ux**2 + uy**2))
    return made


@called_with(1 + 0.1 * _rng.random((4, 3)), 0.8, 3)
def lattice_boltzmann(rho, tau, steps: int):
    ux = np.zeros_like(rho)
    uy = 0.05 * np.sin(np.arange(rho.shape[1])) * np.ones_like(rho)
    f = _equilibrium(rho, ux, uy)
    for _ in range(steps):
        rho = f.sum(axis=0)
        ux = np.tensordot(CX, f, axes=(0, 0)) / rho
        uy = np.einsum("k,kij->ij", CY, f) / rho
        f += -(f - _equilibrium(rho, ux, uy)) / tau
        for k in range(9):
            f[k] = np.roll(np.roll(f[k], CX[k], axis=0), CY[k], axis=1)
    return np.sum(f[1] ** 2) + np.sum(ux * uy)


@called_with(_rng.random((5, 4)), 1.0, 0.2)
def bilateral_filter(image, sd, sr):
    h, w = image.shape
    out = np.zeros_like(image)
    for y in range(h):
        for x in range(w):
            num = den = 0.0
            for dy in range(-1, 2):
                for dx in range(-1, 2):
                    yy, xx = y + dy, x + dx
                    if 0 <= yy < h and 0 <= xx < w:
                        g = math.exp(-(dy * dy + dx * dx) / (2 * sd**2) - (image[yy, xx] - image[y, x]) ** 2 / (2 * sr**2))
                        num += g * image[yy, xx]
                        den += g
            out[y, x] = num / den
    return np.std(out) + out[2, 3]


# ---------------------------------------------------------------------------------------------- signals and states


@called_with(_rng.normal(size=16), np.array([0.2, 0.3, 0.1]), np.array([1.0, -0.5, 0.25]))
def recursive_filter(x, b, a):
    order = max(len(a), len(b)) - 1
    z = np.zeros(order + 1)
    y = np.empty_like(x)
    for n in range(len(x)):
        y[n] = b[0] * x[n] + z[0]
        for k in range(1, order):
            bk = b[k] if k < len(b) else 0.0
            ak = a[k] if k < len(a) else 0.0
            z[k - 1] = bk * x[n] + z[k] - ak * y[n]
        z[order - 1] = (b[order] if order < len(b) else 0.0) * x[n] - (a[order] if order < len(a) else 0.0) * y[n]
    return np.mean(y**2)


@dataclass
class Belief:
    x: np.ndarray
    p: np.ndarray

    def predicted(self, f, q):
        return Belief(f @ self.x, f @ self.p @ f.T + q)

    def updated(self, z, h, r):
        s = h @ self.p @ h.T + r
        gain = np.linalg.solve(s, h @ self.p).T
        return replace(self, x=self.x + gain @ (z - h @ self.x), p=(np.eye(len(self.x)) - gain @ h) @ self.p)


@called_with(Belief(np.array([0.0, 1.0]), np.eye(2)), _rng.normal(size=4), 0.1, 0.3)
def kalman_of_records(belief: Belief, zs, q, r):
    f = np.array([[1, 0.1], [0, 1]])
    h = np.array([[1.0, 0.0]])
    for z in zs:
        belief = belief.predicted(f, q * np.eye(2)).updated(np.array([z]), h, np.array([[r]]))
    return belief.x[0] + np.trace(belief.p)


#: Numba takes more than two seconds for most of the others.
COMPILED = {"vincenty", "recursive_filter"}


@pytest.mark.parametrize(("function", "arguments", "target"), PROGRAMS.runs(COMPILED))
def test_program(function: Callable[..., Any], arguments: tuple[Any, ...], target: Any) -> None:
    compare(function, arguments, target)
