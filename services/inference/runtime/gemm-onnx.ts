import * as ort from 'onnxruntime-node';
import { AttributeProto_AttributeType, ModelProto } from '#proto/onnx/onnx.js';
import type { Gemm, Product } from '../svd/gemm.js';

/** Number of `double` among ONNX's data types. */
const DOUBLE = 11;

const OPTIONS: ort.InferenceSession.SessionOptions = {
  // Importing works on several matrices at once, one per worker; threads inside a product would only spin.
  intraOpNumThreads: 1,
  interOpNumThreads: 1,
  executionMode: 'sequential',
  enableMemPattern: false,
};

/**
 * Double-precision products on ONNX Runtime's CPU provider. Its fast double kernel exists on x86-64, POWER and Z;
 * elsewhere (ARM64) it is right but slow, which `chooseGemm` finds out by timing.
 */
export function createOnnxGemm(): Gemm {
  const sessions = new Map<string, Promise<ort.InferenceSession>>();
  const session = (product: Product): Promise<ort.InferenceSession> => {
    const flags = [product.transposeA, product.transposeB, product.minuend].map((flag) => (flag ? 1 : 0));
    const key = flags.join('');
    let made = sessions.get(key);
    if (!made) {
      made = ort.InferenceSession.create(gemmModel(product), OPTIONS);
      sessions.set(key, made);
    }
    return made;
  };
  return {
    name: 'ort',
    async multiply(product) {
      const { m, n, k, a, b, transposeA, transposeB, minuend, into } = product;
      const result = into ?? new Float64Array(m * n);
      const feeds: Record<string, ort.Tensor> = {
        a: new ort.Tensor('float64', a, transposeA ? [k, m] : [m, k]),
        b: new ort.Tensor('float64', b, transposeB ? [n, k] : [k, n]),
      };
      if (minuend) feeds.minuend = new ort.Tensor('float64', minuend, [m, n]);
      const made = await session(product);
      await made.run(feeds, { result: new ort.Tensor('float64', result, [m, n]) });
      return result;
    },
  };
}

/** A model of one Gemm node with free dimensions: op(a)·op(b), or minuend − op(a)·op(b). */
function gemmModel({ transposeA, transposeB, minuend }: Product): Uint8Array {
  const { INT, FLOAT } = AttributeProto_AttributeType;
  const model = ModelProto.fromPartial({
    irVersion: 8n,
    opsetImport: [{ domain: '', version: 17n }],
    graph: {
      name: 'gemm',
      node: [
        {
          opType: 'Gemm',
          input: minuend ? ['a', 'b', 'minuend'] : ['a', 'b'],
          output: ['result'],
          attribute: [
            { name: 'transA', type: INT, i: transposeA ? 1n : 0n },
            { name: 'transB', type: INT, i: transposeB ? 1n : 0n },
            { name: 'alpha', type: FLOAT, f: minuend ? -1 : 1 },
          ],
        },
      ],
      input: [matrix('a'), matrix('b'), ...(minuend ? [matrix('minuend')] : [])],
      output: [matrix('result')],
    },
  });
  return ModelProto.encode(model).finish();
}

function matrix(name: string) {
  const dim = ['rows', 'columns'].map((side) => ({
    value: { $case: 'dimParam' as const, value: `${name}_${side}` },
  }));
  const tensorType = { elemType: DOUBLE, shape: { dim } };
  return { name, type: { value: { $case: 'tensorType' as const, value: tensorType } } };
}
