"""An example of a customer's reward service: prefers answers that hold the reference and are short.

    python reward_server.py --port 50070

Prints `listening on HOST:PORT`. Copy it and write your own `reward`: the rest may stay as it is.
"""

import argparse
import signal
from concurrent import futures

import grpc

from zmesh.v1 import reward_pb2, reward_pb2_grpc

LONGEST = 200


def reward(answer):
    """A number from -1 to 1 for an `AnswerToScore`, and why. The same answer must get the same number every time."""
    if answer.reference not in answer.answer:
        return -1.0, "the reference is missing"
    excess = max(0, len(answer.answer) - LONGEST) / LONGEST
    return max(0.1, 1.0 - excess), f"{len(answer.answer)} characters"


class RewardService(reward_pb2_grpc.RewardServiceServicer):
    def ScoreAnswers(self, request, context):
        for index, answer in enumerate(request.answers):
            if not answer.reference:
                context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"answers[{index}] ({answer.item_id}) has no reference")
        scores = [reward(answer) for answer in request.answers]
        return reward_pb2.ScoreAnswersResponse(
            scores=[reward_pb2.AnswerScore(reward=number, detail=why) for number, why in scores]
        )


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--host", default="127.0.0.1")
    arguments.add_argument("--port", type=int, default=0, help="0 = a free one")
    given = arguments.parse_args()
    server = grpc.server(
        futures.ThreadPoolExecutor(max_workers=4),
        options=[("grpc.max_receive_message_length", 64 * 1024 * 1024), ("grpc.so_reuseport", 0)],
    )
    reward_pb2_grpc.add_RewardServiceServicer_to_server(RewardService(), server)
    port = server.add_insecure_port(f"{given.host}:{given.port}")
    server.start()
    print(f"listening on {given.host}:{port}", flush=True)
    signal.signal(signal.SIGTERM, lambda *_: server.stop(grace=5))
    server.wait_for_termination()


main()
