/** A place in generated code, by row (from 0) and column, and the line (from 1) of the source that it was made of. */
export interface Segment {
  row: number;
  column: number;
  line: number;
}

const digits = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
const digitBits = 5;
const moreBit = 1 << digitBits;

/** The places of a source map with one source (ECMA-426: rows by ';', places by ',', base 64 numbers that continue those before). */
export function decodeMappings(mappings: string): Segment[] {
  const segments: Segment[] = [];
  let line = 1;
  for (const [row, text] of mappings.split(';').entries()) {
    let column = 0;
    for (const place of text.split(',').filter((each) => each !== '')) {
      const [columns = 0, source, lines] = numbersIn(place);
      column += columns;
      // A place without a source is code that the compiler added.
      if (source === undefined || lines === undefined) continue;
      line += lines;
      segments.push({ row, column, line });
    }
  }
  return segments;
}

function numbersIn(text: string): number[] {
  const numbers: number[] = [];
  let [value, shift] = [0, 0];
  for (const char of text) {
    const digit = digits.indexOf(char);
    value |= (digit & (moreBit - 1)) << shift;
    shift += digitBits;
    if ((digit & moreBit) !== 0) continue;
    numbers.push((value & 1) === 1 ? -(value >> 1) : value >> 1);
    [value, shift] = [0, 0];
  }
  return numbers;
}
