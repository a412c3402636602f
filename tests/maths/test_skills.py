"""Learning of skills against brute force, closed forms and the theorems of Tan 2024, section 3."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import zeta
from scipy.stats import chi2, kstest, linregress

from matrix_entropy.maths.skills import (
    conditional_entropy,
    expected_flops,
    finite_skills_term,
    fitted_numbers,
    flop_exponent,
    measured_exponents,
    normalisation,
    parameter_exponent,
    sample_skill_graph,
    simulated_flops,
    skill_probabilities,
)

ALPHAS = [0.1, 0.5, 1.0, 2.0]

# The law


@pytest.mark.parametrize("alpha", ALPHAS)
@pytest.mark.parametrize("skills", [1, 2, 50, 5000])
def test_probabilities_are_the_normalised_power_law(alpha: float, skills: int) -> None:
    weights = [k ** -(alpha + 1) for k in range(1, skills + 1)]
    assert normalisation(alpha, skills) == pytest.approx(sum(weights), rel=1e-12)
    np.testing.assert_allclose(
        skill_probabilities(alpha, skills), np.array(weights) / sum(weights), rtol=1e-12
    )


@pytest.mark.parametrize("alpha", ALPHAS)
def test_entropy_is_the_mean_over_all_skills(alpha: float) -> None:
    """Lemma 3.6 from its second line: every skill has C or B."""
    skills, low, high = 300, 0.7, 3.2
    chances = skill_probabilities(alpha, skills)
    for comprehended in (0, 1, 2, 17, 299, 300):
        own = np.where(np.arange(skills) < comprehended, low, high)
        found = conditional_entropy(comprehended, alpha, skills, low, high)
        assert found == pytest.approx(chances @ own, rel=1e-12)


@pytest.mark.parametrize("alpha", ALPHAS)
@pytest.mark.parametrize("skills", [1, 7, 10**7])
def test_entropy_falls_from_b_to_c(alpha: float, skills: int) -> None:
    number = np.unique(np.geomspace(1, skills, 50).astype(int))
    entropy = conditional_entropy([0, *number], alpha, skills, 1.5, 4.0)
    assert (entropy[0], entropy[-1]) == (4.0, 1.5)
    assert (np.diff(entropy) < 0).all()


def test_many_skills_sum_to_what_a_loop_over_them_does() -> None:
    skills = 10**7
    weights = np.arange(1, skills + 1.0) ** -1.1
    number = np.array([0, 10, 1000, 10**5, 10**6])
    missing = [weights[n:].sum() / weights.sum() for n in number]
    found = conditional_entropy(number, 0.1, skills, 0, 1)
    np.testing.assert_allclose(found, missing, rtol=1e-12)


def test_infinitely_many_skills_of_alpha_one_sum_to_zeta_of_two() -> None:
    constant = np.pi**2 / 6
    assert normalisation(1, 10**9) == pytest.approx(constant, abs=1.1e-9)
    assert skill_probabilities(1, 10**5)[0] == pytest.approx(1 / constant, abs=1e-5)
    # Σ_{k>3} k⁻² = ζ(2) − 49/36
    found = conditional_entropy(3, 1, 10**9, 1, 2)
    assert found == pytest.approx(1 + (constant - 49 / 36) / constant, abs=1e-8)


def test_small_alpha_does_not_reach_its_limit_of_one_over_alpha() -> None:
    """Z ≈ 1 / α needs M^−α to be small; with a million skills Z stays below ln M + 0.58."""
    assert normalisation(1e-4, 10**6) == pytest.approx(np.log(1e6) + np.euler_gamma, rel=1e-3)
    assert zeta(1.0001, 1) > 1e4


# The exponents


@pytest.mark.parametrize(("alpha", "flops"), [(1, -1 / 3), (0.5, -0.2), (0.1, -1 / 21)])
def test_predicted_exponents(alpha: float, flops: float) -> None:
    assert parameter_exponent(alpha) == -alpha
    assert flop_exponent(alpha) == pytest.approx(flops)


# M, α, then the slopes of H − C against parameters and flops.
SLOPES = [
    (10**5, 1.0, -0.993, -0.334),
    (10**5, 0.5, -0.515, -0.208),
    (10**7, 0.5, -0.507, -0.204),
    (10**5, 0.1, -0.202, -0.097),
    (10**7, 0.1, -0.172, -0.082),
]


@pytest.mark.parametrize(("skills", "alpha", "parameters", "flops"), SLOPES)
def test_slopes_of_the_excess_miss_small_predicted_exponents(
    skills: int, alpha: float, parameters: float, flops: float
) -> None:
    laws = measured_exponents(alpha, skills, 1, 2, 0.1, seed=0)
    assert laws["excess", "skills"].exponent == pytest.approx(parameters, abs=1e-3)
    assert laws["excess", "flops"].exponent == pytest.approx(flops, abs=1e-3)
    assert laws["excess", "simulated_flops"].exponent == pytest.approx(flops, abs=3e-3)


@pytest.mark.parametrize(("skills", "alpha"), [(skills, alpha) for skills, alpha, *_ in SLOPES])
def test_the_finite_term_gives_the_predicted_exponents(skills: int, alpha: float) -> None:
    laws = measured_exponents(alpha, skills, 1, 2, 0.1, seed=0)
    assert laws["corrected", "skills"].exponent == pytest.approx(-alpha, rel=0.01)
    assert laws["corrected", "flops"].exponent == pytest.approx(-alpha / (alpha + 2), rel=1e-3)
    assert laws["corrected", "skills"].r_squared > 0.9999


def test_the_entropy_itself_is_far_from_the_law() -> None:
    law = measured_exponents(0.1, 10**5, 1, 2, 0.1, seed=0)["entropy", "skills"]
    assert law.exponent == pytest.approx(-0.059, abs=1e-3)


@pytest.mark.parametrize("alpha", [0.1, 0.5, 1.0])
@pytest.mark.parametrize("number", [1000, 100_000])
def test_local_slope_of_the_excess(alpha: float, number: int) -> None:
    """The slope that the module's words state, by differences."""
    skills = 10**7
    near = np.array([round(0.99 * number), round(1.01 * number)])
    excess = conditional_entropy(near, alpha, skills, 0, 1)
    slope = np.diff(np.log(excess)).item() / np.diff(np.log(near)).item()
    assert slope == pytest.approx(-alpha / (1 - (number / skills) ** alpha), rel=2e-3)


@pytest.mark.parametrize("alpha", [0.1, 0.5, 1.0])
def test_the_finite_term_is_the_end_of_the_integral(alpha: float) -> None:
    skills, number = 10**5, 1000
    term = finite_skills_term(alpha, skills, 1, 3)
    excess = conditional_entropy(number, alpha, skills, 1, 3) - 1
    law = 2 * number**-alpha / (alpha * normalisation(alpha, skills))
    assert excess + term == pytest.approx(law, rel=1e-3)


def test_fits_go_from_ten_skills_to_a_hundredth_of_all() -> None:
    number = fitted_numbers(10**7)
    assert (number[0], number[-1], len(number)) == (10, 10**5, 25)
    assert fitted_numbers(10_000)[-1] == 100
    steps = np.diff(np.log(number))
    assert steps.max() < 1.2 * steps.min()


# The flops


@pytest.mark.parametrize("alpha", ALPHAS)
def test_expected_flops_are_the_sum_over_skills(alpha: float) -> None:
    chances = skill_probabilities(alpha, 40)
    for comprehended in (0, 1, 13, 40):
        found = expected_flops(comprehended, alpha, 40, 1, 3.5, 0.25)
        assert found == pytest.approx((10 / chances[:comprehended]).sum(), rel=1e-12)


def test_expected_flops_grow_with_alpha_plus_two() -> None:
    number = np.array([10**4, 10**5, 10**6])
    flops = expected_flops(number, 0.5, 10**7, 1, 2, 0.1)
    assert linregress(np.log(number), np.log(flops)).slope == pytest.approx(2.5, abs=1e-3)


def flop_by_flop(chances: np.ndarray, successes: int, random: np.random.Generator) -> int:
    """Flops to learn all skills, drawing for every flop whether it contributes."""
    flops = 0
    for chance in chances:
        missing = successes
        while missing:
            flops += 1
            missing -= random.random() < chance
    return flops


def test_simulation_is_what_single_flops_do() -> None:
    law = (0.5, 4, 1.0, 1.9, 0.3)
    random = np.random.default_rng(0)
    chances = skill_probabilities(0.5, 4)
    single = [flop_by_flop(chances, 3, random) for _ in range(600)]
    simulated = [float(simulated_flops(4, *law, seed=seed)) for seed in range(600)]
    assert kstest(single, simulated).pvalue > 0.01
    assert np.mean(single) == pytest.approx(float(expected_flops(4, *law)), rel=0.05)


def test_simulated_flops_have_the_expected_mean_and_spread() -> None:
    law = (0.5, 50, 1, 2, 0.1)
    number = np.array([1, 5, 50])
    runs = np.array([simulated_flops(number, *law, seed=seed) for seed in range(2000)])
    chances = skill_probabilities(0.5, 50)
    variance = np.cumsum(10 * (1 - chances) / chances**2)[number - 1]
    error = np.sqrt(variance / len(runs))
    assert (abs(runs.mean(axis=0) - expected_flops(number, *law)) < 3.5 * error).all()
    np.testing.assert_allclose(runs.var(axis=0), variance, rtol=0.15)


def test_a_seed_is_one_training() -> None:
    law = (0.5, 1000, 1, 2, 0.1)
    first = simulated_flops([0, 5, 10, 100], *law, seed=3)
    assert first[0] == 0
    assert (np.diff(first) > 0).all()
    np.testing.assert_array_equal(first, simulated_flops([0, 5, 10, 100], *law, seed=3))
    # More skills of the same training do not change how the first were learned.
    assert simulated_flops([10, 900], *law, seed=3)[0] == first[2]
    assert (first[1:] != simulated_flops([5, 10, 100], *law, seed=4)).all()


# The skill graph


def test_degrees_follow_the_law() -> None:
    skills, texts, alpha, density = 400, 20_000, 0.5, 0.7
    edges = sample_skill_graph(skills, texts, alpha, 5, density)
    chances = density * np.arange(1, skills + 1) ** -(alpha + 1)
    degrees = np.bincount(edges[:, 1], minlength=skills + 1)[1:]
    assert len(degrees) == skills
    expected = texts * chances
    many = expected > 5
    squares = (degrees - expected)[many] ** 2 / (expected * (1 - chances))[many]
    assert 0.005 < chi2.sf(squares.sum(), many.sum()) < 0.995
    # The same sum for a slope off by a twentieth is out of the question.
    other = texts * density * np.arange(1, skills + 1) ** -(alpha + 1.05)
    assert chi2.sf(((degrees - other)[many] ** 2 / other[many]).sum(), many.sum()) < 1e-9


def test_texts_are_all_alike_and_no_edge_comes_twice() -> None:
    texts = 500
    edges = sample_skill_graph(2000, texts, 0.1, seed=1)
    assert len(np.unique(edges, axis=0)) == len(edges)
    assert edges[:, 0].min() == 0
    assert edges[:, 0].max() == texts - 1
    assert (np.diff(edges[:, 1]) >= 0).all()
    needs = np.bincount(edges[:, 0], minlength=texts)
    chances = np.arange(1, 2001) ** -1.1
    mean, variance = chances.sum(), (chances * (1 - chances)).sum()
    assert needs.min() >= 1
    assert needs.mean() == pytest.approx(mean, abs=4 * np.sqrt(variance / texts))
    assert needs.var() == pytest.approx(variance, rel=0.25)


def test_a_text_needs_two_skills_independently() -> None:
    texts = 40_000
    edges = sample_skill_graph(3, texts, 1, seed=0)
    has = np.zeros((texts, 4), dtype=bool)
    has[edges[:, 0], edges[:, 1]] = True
    assert has[:, 1].all()
    assert (has[:, 2] & has[:, 3]).mean() == pytest.approx(1 / 36, abs=4 / 6 / np.sqrt(texts))


def test_the_seed_sets_the_graph() -> None:
    first, again, other = (sample_skill_graph(50, 50, 0.5, seed).tobytes() for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_a_sparse_graph_may_have_no_edge() -> None:
    assert sample_skill_graph(1, 1, 1, 0, density=1e-9).shape == (0, 2)


# Input


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((1, 0, 10, 1, 2), "alpha must be positive, not 0"),
        ((1, -0.5, 10, 1, 2), "alpha must be positive, not -0.5"),
        ((1, np.nan, 10, 1, 2), "alpha must be positive"),
        ((0, 1, 0, 1, 2), "at least one skill, not 0"),
        ((1, 1, 10, 2, 2), "before a skill is comprehended, 2, must exceed that after it, 2"),
        ((1, 1, 10, 2, 1), "must exceed"),
        ((11, 1, 10, 1, 2), "whole numbers from 0 to all 10 skills"),
        ((-1, 1, 10, 1, 2), "whole numbers"),
        ((1.5, 1, 10, 1, 2), "whole numbers"),
        ((np.nan, 1, 10, 1, 2), "whole numbers"),
    ],
)
def test_bad_input_is_said(arguments: tuple, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        conditional_entropy(*arguments)
    with pytest.raises(ValueError, match=message):
        expected_flops(*arguments, 0.1)
    with pytest.raises(ValueError, match=message):
        simulated_flops(*arguments, 0.1, 0)


def test_bad_laws_are_said_everywhere() -> None:
    for call in (parameter_exponent, flop_exponent):
        with pytest.raises(ValueError, match="alpha must be positive"):
            call(0)
    with pytest.raises(ValueError, match="alpha must be positive"):
        sample_skill_graph(5, 5, 0, 0)
    with pytest.raises(ValueError, match="must exceed"):
        finite_skills_term(1, 10, 2, 1)


def test_bad_steps_are_said() -> None:
    with pytest.raises(ValueError, match="step of a flop must be positive, not 0"):
        expected_flops(1, 1, 10, 1, 2, 0)
    with pytest.raises(ValueError, match=r"2 − 1, which 0.3 does not: choose such as 0.333333"):
        simulated_flops(1, 1, 10, 1, 2, 0.3, 0)
    with pytest.raises(ValueError, match="which 5 does not: choose such as 1"):
        simulated_flops(1, 1, 10, 1, 2, 5, 0)


def test_too_many_flops_and_too_few_skills_are_said() -> None:
    with pytest.raises(ValueError, match="skill 1000 of alpha 6 takes too many flops"):
        simulated_flops(1000, 6, 10**5, 1, 2, 0.1, 0)
    with pytest.raises(ValueError, match="at least 10,000 skills, not 9,999"):
        fitted_numbers(9_999)


@pytest.mark.parametrize("density", [0, 1.1])
def test_bad_graphs_are_said(density: float) -> None:
    with pytest.raises(ValueError, match="density of a skill graph must be in"):
        sample_skill_graph(5, 5, 1, 0, density)
    with pytest.raises(ValueError, match="at least one text, not 0"):
        sample_skill_graph(5, 0, 1, 0)
