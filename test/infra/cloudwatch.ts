/**
 * What CloudWatch makes of an alarm in a template and of data as services publish it: aggregates the samples of exactly
 * that metric (name and all dimensions) by period, evaluates the part of metric math that our alarms use, and compares.
 * Stricter than CloudWatch in two ways: a missing period never counts, though CloudWatch may look further back instead;
 * and of a metric without a single sample, `FILL` makes nothing, since what CloudWatch does then is nowhere promised.
 */
import type { Properties } from './synthesized.ts';

export interface MetricName {
  readonly namespace: string;
  readonly name: string;
  /** A value may be a reference in the template. */
  readonly dimensions: Readonly<Record<string, unknown>>;
}

export interface Sample {
  readonly metric: MetricName;
  /** Since the beginning. */
  readonly minute: number;
  readonly value: number;
}

/** A value for each period that has one. */
type Series = ReadonlyMap<number, number>;

interface Data {
  readonly samples: readonly Sample[];
  readonly periods: readonly number[];
}

const STATISTICS: Readonly<Record<string, (values: readonly number[]) => number>> = {
  Sum: (values) => values.reduce((sum, value) => sum + value, 0),
  Average: (values) => values.reduce((sum, value) => sum + value, 0) / values.length,
  Maximum: (values) => Math.max(...values),
  Minimum: (values) => Math.min(...values),
};

/** A period without a value is as the alarm says. */
const BREACHES: Readonly<Record<string, (value: number | undefined, threshold: number) => boolean>> = {
  'GreaterThanOrEqualToThreshold notBreaching': (value, threshold) => value !== undefined && value >= threshold,
  'LessThanThreshold breaching': (value, threshold) => value === undefined || value < threshold,
};

/** Whether the alarm is on, after each period of the samples. */
export function statesOf(alarm: Properties, samples: readonly Sample[]): boolean[] {
  const { Threshold, EvaluationPeriods, ComparisonOperator, TreatMissingData } = alarm as Record<string, number>;
  const isBreach = BREACHES[`${ComparisonOperator} ${TreatMissingData}`];
  if (isBreach === undefined) throw new Error('This evaluator does not know how this alarm compares.');
  const last = Math.max(...samples.map(({ minute }) => minute), 0);
  const seconds = periodOf(alarm);
  const periods = Array.from({ length: Math.floor((last * 60) / seconds) + 1 }, (_, index) => index);
  const values = seriesOf(alarm, { samples, periods });
  const breaches = periods.map((period) => isBreach(values.get(period), Number(Threshold)));
  return periods.map((period) => {
    const window = breaches.slice(Math.max(0, period + 1 - Number(EvaluationPeriods)), period + 1);
    return window.length === EvaluationPeriods && window.every(Boolean);
  });
}

export function goesOff(alarm: Properties, samples: readonly Sample[]): boolean {
  return statesOf(alarm, samples).includes(true);
}

interface Query {
  readonly Id: string;
  readonly Expression?: string;
  readonly MetricStat?: { readonly Metric: Properties; readonly Period: number; readonly Stat: string };
  readonly ReturnData?: boolean;
}

function periodOf({ Period, Metrics }: Properties): number {
  const stat = (Metrics as readonly Query[] | undefined)?.find(
    ({ MetricStat }) => MetricStat !== undefined,
  )?.MetricStat;
  const period = Period ?? stat?.Period;
  if (typeof period !== 'number') throw new Error('This alarm has no period.');
  return period;
}

function seriesOf(alarm: Properties, data: Data): Series {
  const queries = alarm['Metrics'] as readonly Query[] | undefined;
  if (queries === undefined) return aggregate(alarm, String(alarm['Statistic']), periodOf(alarm), data);
  const series = new Map<string, Series>();
  for (const { Id, MetricStat } of queries) {
    if (MetricStat !== undefined) {
      series.set(Id, aggregate(MetricStat.Metric, MetricStat.Stat, MetricStat.Period, data));
    }
  }
  const returned = queries.find(({ Expression, ReturnData }) => Expression !== undefined && ReturnData !== false);
  return evaluate(returned?.Expression ?? '', series, data.periods);
}

function aggregate(metric: Properties, statistic: string, seconds: number, { samples, periods }: Data): Series {
  const wanted = keyOf(metric);
  const reduce = STATISTICS[statistic];
  if (reduce === undefined) throw new Error(`This evaluator does not know the statistic ${statistic}.`);
  const byPeriod = Map.groupBy(
    samples.filter((sample) => keyOfName(sample.metric) === wanted),
    ({ minute }) => Math.floor((minute * 60) / seconds),
  );
  return new Map(
    periods.flatMap((period) => {
      const values = byPeriod.get(period)?.map(({ value }) => value);
      return values === undefined ? [] : [[period, reduce(values)] as const];
    }),
  );
}

function keyOf({ Namespace, MetricName: name, Dimensions }: Properties): string {
  const dimensions = (Dimensions ?? []) as readonly { readonly Name: string; readonly Value: unknown }[];
  const entries = dimensions.map(({ Name, Value }) => [Name, Value] as const);
  return keyOfName({ namespace: String(Namespace), name: String(name), dimensions: Object.fromEntries(entries) });
}

function keyOfName({ namespace, name, dimensions }: MetricName): string {
  return JSON.stringify([namespace, name, Object.entries(dimensions).toSorted(([a], [b]) => (a < b ? -1 : 1))]);
}

/** Sums of metrics, each as it is or as `FILL(metric, number)`. A sum has a value where each of its operands has one. */
function evaluate(expression: string, series: ReadonlyMap<string, Series>, periods: readonly number[]): Series {
  const operands = expression.split('+').map((term) => operandOf(term.trim(), series, periods));
  return new Map(
    periods.flatMap((period) => {
      const values = operands.flatMap((operand) => operand.get(period) ?? []);
      return values.length < operands.length ? [] : [[period, values.reduce((sum, value) => sum + value, 0)] as const];
    }),
  );
}

function operandOf(term: string, series: ReadonlyMap<string, Series>, periods: readonly number[]): Series {
  const [, filled, filler] = /^FILL\((\w+), (\d+)\)$/.exec(term) ?? [];
  const operand = series.get(filled ?? term);
  if (operand === undefined) throw new Error(`This evaluator does not understand "${term}".`);
  if (filled === undefined || operand.size === 0) return operand;
  return new Map(periods.map((period) => [period, operand.get(period) ?? Number(filler)] as const));
}
