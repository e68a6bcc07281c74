/** A member of an ar archive, in the form that dpkg reads (deb(5)). */
export interface ArMember {
  name: string;
  bytes: Buffer;
}

const newline = Buffer.from('\n');

/** Throws RangeError for a name that does not fit. */
export function arOf(members: readonly ArMember[], seconds: number): Buffer {
  const parts = members.flatMap(({ name, bytes }) => [
    Buffer.from(headOf(name, bytes.length, seconds)),
    bytes,
    // Members begin at even places.
    ...(bytes.length % 2 === 1 ? [newline] : []),
  ]);
  return Buffer.concat([Buffer.from('!<arch>\n'), ...parts]);
}

function headOf(name: string, bytes: number, seconds: number): string {
  const fields: [text: string, width: number][] = [
    [name, 16],
    [String(seconds), 12],
    ['0', 6],
    ['0', 6],
    ['100644', 8],
    [String(bytes), 10],
  ];
  const wide = fields.find(([text, width]) => text.length > width);
  if (wide !== undefined) throw new RangeError(`${wide[0]} does not fit into ${wide[1]} characters`);
  return `${fields.map(([text, width]) => text.padEnd(width)).join('')}\`\n`;
}
