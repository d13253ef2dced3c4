import { parser } from '@prometheus-io/lezer-promql';

/** A metric that a query names, and the labels that it names with it. */
export interface NamedMetric {
  readonly metric: string;
  /** Labels of its matchers. */
  readonly matched: readonly string[];
}

/** What a query in PromQL names. */
export interface QueryNames {
  readonly metrics: readonly NamedMetric[];
  /** Labels that results are grouped by. */
  readonly grouped: readonly string[];
}

/** Reads a query by Prometheus' own grammar. Throws with the place where it is no PromQL. */
export function namesInQuery(query: string): QueryNames {
  const metrics: { metric: string; matched: string[] }[] = [];
  const grouped: string[] = [];
  const text = ({ from, to }: { readonly from: number; readonly to: number }): string =>
    query.slice(from, to);
  parser.parse(query).iterate({
    enter(node) {
      if (node.type.isError)
        throw new Error(`no PromQL at ${node.from}: ${query.slice(0, node.from)}▶${query.slice(node.from)}`);
      if (node.name === 'VectorSelector') metrics.push({ metric: '', matched: [] });
      const parent = node.node.parent?.name;
      if (node.name === 'Identifier' && parent === 'VectorSelector') metrics.at(-1)!.metric = text(node);
      if (node.name !== 'LabelName') return;
      if (parent === 'GroupingLabels') grouped.push(text(node));
      else metrics.at(-1)!.matched.push(text(node));
    },
  });
  return { metrics, grouped };
}
