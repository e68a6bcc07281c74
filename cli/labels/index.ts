export { canRepair, type LabelledPlace, type LabelUse, type WrongLabel, wrongLabel } from './judge.ts';
export { type LabelSurvey, labelFinding, surveyGeneration, surveyLabels } from './survey.ts';
