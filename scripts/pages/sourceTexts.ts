import { SyntaxKind } from 'typescript/unstable/ast';
import { createScanner } from 'typescript/unstable/ast/scanner';
import { codeWord, type Sentence, sentencesIn } from './sentences.ts';

/** A template that is open: its text so far, and how many braces of its `${…}` are. */
interface Template extends Sentence {
  braces: number;
}

/** After one of these a slash divides; after anything else it begins a regular expression. */
const expressionEnds = new Set([
  SyntaxKind.Identifier,
  SyntaxKind.NumericLiteral,
  SyntaxKind.StringLiteral,
  SyntaxKind.NoSubstitutionTemplateLiteral,
  SyntaxKind.TemplateTail,
  SyntaxKind.RegularExpressionLiteral,
  SyntaxKind.CloseParenToken,
  SyntaxKind.CloseBracketToken,
  SyntaxKind.CloseBraceToken,
]);

/** The sentences of a TypeScript file: of its comments, and of its strings with more than one word. What only a program reads has no space. */
export function sourceSentences(source: string): Sentence[] {
  return sourceTexts(source).flatMap(({ line, text }) => sentencesIn(line, text.replace(/`[^`]*`/g, codeWord)));
}

function sourceTexts(source: string): Sentence[] {
  const scanner = createScanner(false, undefined, source);
  const lineOf = lineCounter(source);
  const texts: Sentence[] = [];
  const open: Template[] = [];
  let before: SyntaxKind = SyntaxKind.Unknown;
  let lastComment = -2;
  for (let token = scanner.scan(); token !== SyntaxKind.EndOfFile; token = scanner.scan()) {
    if (token === SyntaxKind.SlashToken || token === SyntaxKind.SlashEqualsToken)
      if (!expressionEnds.has(before)) token = scanner.reScanSlashToken();
    const template = open.at(-1);
    if (token === SyntaxKind.CloseBraceToken && template?.braces === 0) token = scanner.reScanTemplateToken(false);
    const line = lineOf(scanner.getTokenStart());
    if (token === SyntaxKind.SingleLineCommentTrivia || token === SyntaxKind.MultiLineCommentTrivia) {
      const text = commentText(scanner.getTokenText());
      // Lines of // one below the other are one text.
      if (token === SyntaxKind.SingleLineCommentTrivia && line === lastComment + 1) texts.at(-1)!.text += ` ${text}`;
      else texts.push({ line, text });
      lastComment = token === SyntaxKind.SingleLineCommentTrivia ? line : -2;
    } else if (token === SyntaxKind.StringLiteral || token === SyntaxKind.NoSubstitutionTemplateLiteral)
      texts.push({ line, text: scanner.getTokenValue() });
    else if (token === SyntaxKind.TemplateHead) open.push({ line, text: scanner.getTokenValue(), braces: 0 });
    else if (token === SyntaxKind.TemplateMiddle) template!.text += codeWord + scanner.getTokenValue();
    else if (token === SyntaxKind.TemplateTail)
      texts.push({ line: template!.line, text: open.pop()!.text + codeWord + scanner.getTokenValue() });
    else if (template !== undefined)
      template.braces += token === SyntaxKind.OpenBraceToken ? 1 : token === SyntaxKind.CloseBraceToken ? -1 : 0;
    if (token > SyntaxKind.MultiLineCommentTrivia && token !== SyntaxKind.WhitespaceTrivia && token !== SyntaxKind.NewLineTrivia)
      before = token;
  }
  return texts.filter(({ text }) => /\S\s+\S/.test(text));
}

function commentText(comment: string): string {
  return comment
    .replace(/^\/\/|^\/\*+|\*+\/$/g, '')
    .replace(/\n\s*\* ?/g, ' ')
    .trim();
}

function lineCounter(source: string): (offset: number) => number {
  let [line, at] = [1, 0];
  return (offset) => {
    for (; at < offset; at++) if (source.charCodeAt(at) === 10) line++;
    return line;
  };
}
