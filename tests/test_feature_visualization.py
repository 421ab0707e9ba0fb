"""Feature visualizations: no real digit activates a map more."""

import numpy as np

from model.feature_visualization import FIELD, load_features, visualize_features
from model.network import build_network
from model.weights import RELEASED, features_path, find_snapshots, load_snapshot


def test_released_patches_activate_their_maps_more_than_digits(client, digits, final_version):
    patches = load_features(features_path(find_snapshots(RELEASED)[final_version]))
    images = np.zeros((64, 28, 28), np.float32)
    images[:, 8 : 8 + FIELD, 8 : 8 + FIELD] = patches / 255  # receptive field of unit 7, 7
    activations = client.predict("serving_default", {"images": images}, outputs=["h_conv2"])[
        "h_conv2"
    ]
    real = [
        client.predict("serving_default", {"images": batch}, outputs=["h_conv2"])["h_conv2"]
        for batch in np.array_split(digits[0][::10] / np.float32(255), 2)
    ]
    optimized = activations[np.arange(64), 7, 7, np.arange(64)]
    assert (optimized > np.concatenate(real).max(axis=(0, 1, 2))).all()


def test_each_released_version_has_a_small_file():
    for snapshot in find_snapshots(RELEASED).values():
        path = features_path(snapshot)
        assert path.stat().st_size < 20_000
        assert load_features(path).shape == (64, FIELD, FIELD)


def test_visualizations_are_reproducible_from_the_weights(final_version):
    snapshot = find_snapshots(RELEASED)[final_version]
    network = build_network()
    load_snapshot(network, snapshot)
    found = visualize_features(network).reshape(64, -1).astype(float)
    released = load_features(features_path(snapshot)).reshape(64, -1).astype(float)
    correlations = [np.corrcoef(*pair)[0, 1] for pair in zip(found, released)]
    assert np.median(correlations) > 0.95


def test_server_returns_weights_and_visualizations(client, final_version):
    snapshot = find_snapshots(RELEASED)[final_version]
    weights = client.predict("weights", {"units": np.array([5, 1023], np.int32)})
    network = build_network()
    load_snapshot(network, snapshot)
    for name in ("h_conv1", "h_conv2", "h_fc1", "logits"):
        kernel, bias = network.get_layer(name).get_weights()
        if name == "h_fc1":
            kernel, bias = kernel[:, [5, 1023]], bias[[5, 1023]]
        np.testing.assert_array_equal(
            weights[f"{name}_kernel"], kernel.reshape(weights[f"{name}_kernel"].shape)
        )
        np.testing.assert_array_equal(weights[f"{name}_bias"], bias)
    np.testing.assert_array_equal(
        weights["h_conv2_features"], load_features(features_path(snapshot))
    )
