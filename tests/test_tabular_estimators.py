"""The scikit-learn estimators, by scikit-learn's own checks and in its company."""

from __future__ import annotations

import pickle
import warnings

import pytest

pytest.importorskip("sklearn", reason="the extra `tabular` is not installed")

import numpy
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_iris
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

import rushlight as torch
from rushlight import tabular
from rushlight.tabular import DataError, RushlightClassifier, RushlightRegressor


@pytest.mark.parametrize("estimator", [RushlightClassifier, RushlightRegressor])
def test_scikit_learns_own_checks(estimator):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of checks that need what is not installed
        outcomes = check_estimator(estimator(), on_fail=None)
    assert len(outcomes) > 40
    assert not [f"{o['check_name']}: {o['exception']}" for o in outcomes if o["status"] not in ("passed", "skipped")]


def test_in_a_pipeline_and_a_grid_search():
    x, y = load_iris(return_X_y=True)
    pipeline = make_pipeline(StandardScaler(), RushlightClassifier(random_state=0, epochs=60))
    assert cross_val_score(pipeline, x, y, cv=3).mean() > 0.93
    search = GridSearchCV(
        RushlightClassifier(random_state=0), {"hidden": [(4,), (16, 8)], "epochs": [1, 80]}, cv=3
    ).fit(x, y)
    assert search.best_params_["epochs"] == 80 and search.score(x, y) > 0.93


def test_labels_and_probabilities():
    x, y = load_iris(return_X_y=True)
    names = load_iris().target_names[y]
    model = RushlightClassifier(random_state=3).fit(x, names)
    assert list(model.classes_) == ["setosa", "versicolor", "virginica"]
    chances = model.predict_proba(x)
    assert chances.shape == (150, 3) and abs(chances.sum(1) - 1).max() < 1e-6
    assert (model.predict(x) == model.classes_[chances.argmax(1)]).all()
    assert model.loss_curve_[-1] < model.loss_curve_[0] and model.n_iter_ == 100


def test_it_is_pickled_and_cloned():
    x, y = load_diabetes(return_X_y=True)
    model = RushlightRegressor(hidden=(8,), random_state=0, epochs=200, optimizer="sgd", momentum=0.5).fit(x, y)
    assert model.score(x, y) > 0.4
    again = pickle.loads(pickle.dumps(model))
    assert (again.predict(x) == model.predict(x)).all()
    assert (clone(model).fit(x, y).predict(x) == model.predict(x)).all()


def test_early_stopping_and_the_callers_random_state():
    x, y = load_iris(return_X_y=True)
    torch.manual_seed(1)
    before = torch.get_rng_state()
    model = RushlightClassifier(early_stopping=True, patience=2, epochs=500, lr=0.05, random_state=0).fit(x, y)
    assert model.n_iter_ < 500
    assert bool((torch.get_rng_state() == before).all())


def test_bad_parameters():
    x, y = load_iris(return_X_y=True)
    with pytest.raises(DataError, match="--optimizer swim: must be one of"):
        RushlightClassifier(optimizer="swim").fit(x, y)
    with pytest.raises(DataError, match="--hidden 64: must be positive widths"):
        RushlightClassifier(hidden="64").fit(x, y)
    with pytest.raises(ValueError, match="one class only"):
        RushlightClassifier().fit(x[:10], y[:10])


def test_parameters_may_be_numpys():
    x, y = load_iris(return_X_y=True)
    usual = RushlightClassifier(hidden=(8,), epochs=20, lr=0.25, batch_size=30, random_state=0).fit(x, y)
    for hidden in (8, numpy.int64(8), numpy.array([8]), [numpy.int64(8)]):
        network = RushlightClassifier(
            hidden, epochs=numpy.int64(20), lr=numpy.float32(0.25), batch_size=numpy.int32(30), random_state=0
        )
        assert clone(network).fit(x, y).loss_curve_ == usual.loss_curve_


@pytest.mark.parametrize("name, least", [("iris", 0.9), ("wine", 0.93), ("breast_cancer", 0.94), ("digits", 0.95)])
def test_the_defaults_are_good(name, least):
    assert tabular.fit(name).results["after"]["test"]["accuracy"] > least


def test_the_defaults_are_good_for_regression():
    assert tabular.fit("diabetes").results["after"]["test"]["r2"] > 0.25
