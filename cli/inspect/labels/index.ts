export { labelFinding } from './findings.ts';
export type { LabelledPlace, LabelUse, WrongLabel } from './judge.ts';
export { type LabelSurvey, surveyGeneration, surveyLabels } from './survey.ts';
