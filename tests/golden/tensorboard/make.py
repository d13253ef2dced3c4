"""A TensorBoard event file by TensorBoard's own writer, read back by its own reader. Run: python make.py (tensorboard 2.21)."""
import pathlib

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.compat.proto import event_pb2, summary_pb2
from tensorboard.summary.writer.record_writer import RecordWriter

here = pathlib.Path(__file__).parent
path = here / "events.out.tfevents.1700000000.zmesh"
POINTS = [
    (0, 1700000000.25, {"validation/score": 0.25}),
    (1, 1700000001.5, {"training/reward": -0.5, "training/gradient-norm": 2.25, "training/kl": 0.0}),
    (300, 1700000300.0, {"training/reward": 0.123456789, "validation/score": 1.0}),
]

with open(path, "wb") as file:
    writer = RecordWriter(file)
    events = [event_pb2.Event(wall_time=1700000000.0, file_version="brain.Event:2")]
    for step, time, values in POINTS:
        values = [summary_pb2.Summary.Value(tag=tag, simple_value=value) for tag, value in values.items()]
        events.append(event_pb2.Event(wall_time=time, step=step, summary=summary_pb2.Summary(value=values)))
    for event in events:
        writer.write(event.SerializeToString())

read = EventAccumulator(str(path)).Reload()
for tag in sorted(read.Tags()["scalars"]):
    print(tag, [(e.step, e.wall_time, round(e.value, 6)) for e in read.Scalars(tag)])
