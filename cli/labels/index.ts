export { labelFinding } from './findings.ts';
export { canRepair, type LabelledPlace, type LabelUse, type WrongLabel, wrongLabel } from './judge.ts';
export { type LabelSurvey, surveyGeneration, surveyLabels } from './survey.ts';
