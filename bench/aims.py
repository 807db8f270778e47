"""The ratios that the project is held to, from what was measured: those whose parts are there."""

from __future__ import annotations

from typing import Any

from bench import photographs

Rows = list[dict[str, Any]]

# Name in results.json -> what it is, and what is wanted of it
AIMS = {
    "rfr_time_over_ours_256": ("RFR's time (paper size, fp32) over `celebahq256-native` at its best, batch 1", "1.2"),
    "rfr_time_over_faces256": ("RFR's time (paper size, fp32) over `faces256` at its best, batch 1", "8"),
    "forward_share_of_peak": ("share of the machine's matrix product, 256 px, batch 8", "0.40"),
    "pipeline_over_bare_model": ("restoration over the bare model, aligned faces of 64 px, fp32", "0.92"),
    "pipeline_over_bare_model_bf16": ("the same in bf16", "0.95"),
    "photos_over_steps": ("an archive of camera pictures over what its steps' CPU seconds allow", "0.85"),
    "photo_12mp_jpeg_over_codec": ("12 megapixel JPEG around the model over plain decode + encode", "at most 3.0"),
    "photo_12mp_png_over_codec": ("12 megapixel PNG, likewise", "at most 0.6"),
    "one_photo_seconds": ("one picture restored, from command to prompt, 64 px, s", "at most 4.0"),
    "one_photo_seconds_256": ("the same with `faces256`, s", "at most 6.0"),
    "onnx_over_torch": ("the exported graph's time over torch's, one face of 64 px, fp32", ""),
    "ray_train_over_bare_ddp": ("Ray Train over bare DDP, pictures/s", "0.97"),
    "in_process_over_ray_train": ("training in process over Ray Train of one worker, pictures/s", ""),
    "restoration_start_up_seconds": ("one picture restored on Ray, s", ""),
    "in_process_training_seconds": ("one training step in process, from command to prompt, s", ""),
}


def aims(results: dict[str, Any]) -> dict[str, float]:
    """The aims of :data:`AIMS` that ``results`` have the parts of, in that order."""
    found: dict[str, float] = {}
    if "networks_256" in results:
        found |= _of_networks(results["networks_256"])
    if "pipeline" in results:
        ratios = {precision: row["ratio"] for precision, row in results["pipeline"].items()}
        names = {"fp32": "pipeline_over_bare_model", "bf16": "pipeline_over_bare_model_bf16"}
        found |= {names[precision]: ratio for precision, ratio in ratios.items()}
    if "photographs_12mp" in results:
        found |= photographs.aims(results["photographs_12mp"])
    if "archive_12mp" in results:
        found["photos_over_steps"] = results["archive_12mp"]["ratio"]
    if "onnx" in results:
        found["onnx_over_torch"] = results["onnx"][0]["onnx_over_torch"]
    if "ray_train" in results:
        found["ray_train_over_bare_ddp"] = results["ray_train"]["ratio"]
        found["in_process_over_ray_train"] = results["ray_train"].get("in_process_over_ray_train")
    seconds = results.get("start_up_seconds", {})
    jobs = {
        "one_photo_seconds": "batch_inpaint",
        "one_photo_seconds_256": "batch_inpaint, faces256",
        "restoration_start_up_seconds": "batch_inpaint on Ray",
        "in_process_training_seconds": "train in process",
    }
    found |= {aim: seconds.get(job) for aim, job in jobs.items()}
    return {name: found[name] for name in AIMS if found.get(name) is not None}


def _of_networks(rows: Rows) -> dict[str, float]:
    rfr = next((r["seconds_a_picture"] for r in rows if (r["method"], r["precision"], r["batch"]) == RFR), None)
    found = {}
    for preset, aim in (("celebahq256-native", "rfr_time_over_ours_256"), ("faces256", "rfr_time_over_faces256")):
        ours = [r for r in rows if (r["preset"], r["method"]) == (preset, "two-stage")]
        alone = [r["seconds_a_picture"] for r in ours if r["batch"] == 1]
        if rfr and alone:
            found[aim] = rfr / min(alone)
        eights = [r for r in ours if r["batch"] == 8]
        if preset == "celebahq256-native" and eights:
            found["forward_share_of_peak"] = min(eights, key=lambda r: r["seconds_a_picture"])["share_of_matmul_peak"]
    return found


RFR = ("rfr", "fp32", 1)
