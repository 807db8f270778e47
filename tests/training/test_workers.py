"""Two workers follow the trajectory of one: the same loop on halves of each batch, gradients averaged by Gloo."""

import pytest
import torch
from torch import distributed as dist
from torch import multiprocessing, nn

from faceinpaint.load_config import load_preset
from faceinpaint.training import distributed
from faceinpaint.training.distributed import SyncedBatchNorm2d, synchronise_batch_norm
from faceinpaint.training.run import Run
from faceinpaint.training.stages.build import build_trainee
from faceinpaint.training.trainee import Batch
from tests.train_job import assert_equal

pytestmark = pytest.mark.slow

STEPS, BATCH, SIZE = 4, 6, 32


def resume(rank, stage, folder):
    """Train on two workers for STEPS steps, then again from what worker 0 saved in the middle; both keep the end."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    config = load_preset("tiny", [f"train.{stage}.batch={BATCH}", "gan.augment_speed_pictures=40"])
    start = lambda: Run(build_trainee(stage, config, []), config.train[stage], seed=config.seed, rank=rank)  # noqa: E731
    whole, middle = start(), STEPS - 1
    for step in range(STEPS):
        if step == middle and rank == 0:
            torch.save(whole.state_dict(), f"{folder}/middle.pt")
        whole.step(half(step, rank, 2))
    resumed = start()
    dist.barrier()
    resumed.load_state_dict(torch.load(f"{folder}/middle.pt", weights_only=True))
    for step in range(middle, STEPS):
        resumed.step(half(step, rank, 2))
    torch.save((whole.state_dict(), resumed.state_dict()), f"{folder}/end-{rank}.pt")
    dist.destroy_process_group()


@pytest.mark.parametrize("stage", ["generator", "pconv"])
def test_two_workers_go_on_from_what_the_first_saved_as_if_they_had_not_stopped(stage, tmp_path):
    """Bit for bit: nothing that decides a step is one worker's own. pconv's statistics stand still at the end."""
    multiprocessing.spawn(resume, (stage, tmp_path), nprocs=2)
    (whole, resumed), (second, _) = (torch.load(tmp_path / f"end-{rank}.pt", weights_only=True) for rank in (0, 1))
    assert_equal(whole, resumed)
    assert_equal(whole, second)


def train(rank, workers, stage, batch_norm, folder):
    """Train ``stage`` of preset tiny; worker 0 saves its parameters before and after and the losses of every step."""
    torch.set_num_threads(1)
    if workers > 1:
        dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=workers)
    changes = [f"train.{stage}.batch={BATCH}", f"train.{stage}.batch_norm={batch_norm}"]
    config = load_preset("tiny", changes)
    trainee = build_trainee(stage, config, [])
    run = Run(trainee, config.train[stage], seed=config.seed, rank=rank)
    before = parameters(trainee, stage)
    losses = [run.step(half(step, rank, workers)) for step in range(STEPS)]
    if rank == 0:
        torch.save((before, parameters(trainee, stage), losses), f"{folder}/{workers}.pt")
    if workers > 1:
        dist.destroy_process_group()


def parameters(trainee, stage):
    return torch.cat([p.detach().flatten() for p in trainee.modules[stage].parameters()])


def half(step, rank, workers):
    """This worker's samples of a step: a third and two thirds, since parts need not be even."""
    generator = torch.Generator().manual_seed(step)
    images = nn.functional.interpolate(torch.rand(BATCH, 3, 8, 8, generator=generator) * 2 - 1, size=SIZE)
    masks = torch.zeros(BATCH, 1, SIZE, SIZE)
    masks[:, :, 8:20, 10:24] = 1
    batch = Batch([f"{step}-{i}" for i in range(BATCH)], images, masks, torch.rand(BATCH, generator=generator))
    return batch if workers == 1 else [batch.part(0, 3), last_two_thirds(batch)][rank]


def last_two_thirds(batch):
    cut = slice(BATCH // 3, None)
    return Batch(batch.keys[cut], batch.images[cut], batch.masks[cut], batch.draws[cut])


@pytest.mark.parametrize(
    ("stage", "batch_norm"), [("texture", "per-worker"), ("structure", "frozen"), ("structure", "sync")]
)
def test_two_workers_follow_one(stage, batch_norm, tmp_path):
    train(0, 1, stage, batch_norm, tmp_path)
    multiprocessing.spawn(train, (2, stage, batch_norm, tmp_path), nprocs=2)
    start, one, losses = torch.load(tmp_path / "1.pt", weights_only=True)
    same_start, two, losses_of_two = torch.load(tmp_path / "2.pt", weights_only=True)
    assert torch.equal(start, same_start)
    for alone, together in zip(losses, losses_of_two, strict=True):
        assert together == pytest.approx(alone, rel=1e-2, abs=1e-4)
    # Adam turns rounding in the smallest gradients into steps of full size, so the whole path is what is compared.
    assert (two - one).norm() < 0.02 * (one - start).norm()


def test_statistics_of_each_worker_alone_lead_elsewhere(tmp_path):
    """What "sync" is for; without it the comparison above must fail, or it could not fail at all."""
    train(0, 1, "structure", "per-worker", tmp_path)
    multiprocessing.spawn(train, (2, "structure", "per-worker", tmp_path), nprocs=2)
    start, one, _ = torch.load(tmp_path / "1.pt", weights_only=True)
    _, two, _ = torch.load(tmp_path / "2.pt", weights_only=True)
    assert (two - one).norm() > 0.1 * (one - start).norm()


def test_gradients_keep_their_layout_and_what_has_none_keeps_none(monkeypatch):
    """Of a worker whose partner has no gradient of the first parameter either, and none of the second."""
    monkeypatch.setattr(distributed, "workers", lambda: 2)
    monkeypatch.setattr(dist, "all_reduce", lambda value: value)
    left_out = nn.Parameter(torch.ones(3))
    kernel = nn.Parameter(torch.ones(4, 2, 3, 3).contiguous(memory_format=torch.channels_last))
    kernel.grad = torch.randn(4, 2, 3, 3)
    expected = kernel.grad / 2
    distributed.average_gradients([left_out, kernel])
    assert left_out.grad is None
    assert torch.equal(kernel.grad, expected)
    assert kernel.grad.stride() == kernel.stride()


def test_a_synchronised_norm_of_values_far_from_0(monkeypatch):
    """As if the other worker had the same samples: the statistics are those of one."""
    monkeypatch.setattr(distributed, "workers", lambda: 2)
    monkeypatch.setattr(dist, "all_reduce", lambda value: value.mul_(2))
    x = 100 + 0.01 * torch.randn(8, 4, 16, 16, generator=torch.Generator().manual_seed(0))
    synced, plain = SyncedBatchNorm2d(4), nn.BatchNorm2d(4).double()
    torch.testing.assert_close(synced(x), plain(x.double()).float(), rtol=0, atol=2e-3)
    torch.testing.assert_close(synced.running_var, plain.running_var.float())


def test_a_synchronised_norm_alone_is_the_plain_one():
    plain, synced = nn.Sequential(nn.BatchNorm2d(4)), nn.Sequential(nn.BatchNorm2d(4))
    synchronise_batch_norm(synced)
    assert isinstance(synced[0], SyncedBatchNorm2d)
    x = torch.randn(3, 4, 5, 5)
    torch.testing.assert_close(plain(x), synced(x))
    torch.testing.assert_close(plain.state_dict(), synced.state_dict())
