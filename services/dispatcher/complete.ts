import { FinishReason } from '#proto/zmesh/v1/common.js';
import type { Answer, CompleteResponse, GenerateResponse, Receipt } from '#proto/zmesh/v1/dispatcher.js';
import { ZmeshError } from '#shared/errors.js';

/** Puts a stream of answers together. Throws what the stream throws, and INTERNAL if it has no receipt. */
export async function complete(
  stream: AsyncIterable<GenerateResponse>,
  n: number,
): Promise<CompleteResponse> {
  const answers = Array.from({ length: n }, emptyAnswer);
  let receipt: Receipt | undefined;
  for await (const { event } of stream) {
    if (event?.$case === 'receipt') receipt = event.value;
    if (event?.$case !== 'delta' && event?.$case !== 'end') continue;
    const answer = answers[event.value.answer];
    if (!answer) throw new ZmeshError('INTERNAL', `inference sent answer ${event.value.answer} of ${n}`);
    if (event.$case === 'delta') {
      answer.text += event.value.text;
      answer.tokenIds.push(...event.value.tokenIds);
      answer.logProbs.push(...event.value.logProbs);
    } else {
      answer.finishReason = event.value.finishReason;
      answer.stopString = event.value.stopString;
    }
  }
  if (!receipt) throw new ZmeshError('INTERNAL', 'the answer ended without a receipt');
  return { answers, receipt };
}

function emptyAnswer(): Answer {
  return { text: '', tokenIds: [], finishReason: FinishReason.UNSPECIFIED, stopString: '', logProbs: [] };
}
