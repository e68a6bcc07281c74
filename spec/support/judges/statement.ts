const text = { type: 'string', minLength: 1 };
const uri = { type: 'string', pattern: '^[a-z][a-z0-9+.-]*:\\S+$' };
const digest = {
  type: 'object',
  minProperties: 1,
  additionalProperties: false,
  properties: {
    sha256: { type: 'string', pattern: '^[0-9a-f]{64}$' },
    sha512: { type: 'string', pattern: '^[0-9a-f]{128}$' },
    gitCommit: { type: 'string', pattern: '^[0-9a-f]{40}$' },
  },
};
/** ResourceDescriptor: one of uri, digest and content must be there. */
const descriptor = {
  type: 'object',
  additionalProperties: false,
  properties: { name: text, uri, digest },
  anyOf: [{ required: ['uri'] }, { required: ['digest'] }],
};

/** An in-toto Statement v1 with a predicate of SLSA provenance v1, by the texts of both specifications: neither publishes a JSON schema. */
export const statementSchema = {
  type: 'object',
  additionalProperties: false,
  required: ['_type', 'subject', 'predicateType', 'predicate'],
  properties: {
    _type: { const: 'https://in-toto.io/Statement/v1' },
    subject: { type: 'array', minItems: 1, items: { ...descriptor, required: ['digest', 'name'] } },
    predicateType: { const: 'https://slsa.dev/provenance/v1' },
    predicate: {
      type: 'object',
      additionalProperties: false,
      required: ['buildDefinition', 'runDetails'],
      properties: {
        buildDefinition: {
          type: 'object',
          additionalProperties: false,
          required: ['buildType', 'externalParameters'],
          properties: {
            buildType: uri,
            externalParameters: { type: 'object' },
            internalParameters: { type: 'object' },
            resolvedDependencies: { type: 'array', items: descriptor },
          },
        },
        runDetails: {
          type: 'object',
          required: ['builder'],
          properties: { builder: { type: 'object', additionalProperties: false, required: ['id'], properties: { id: uri } } },
        },
      },
    },
  },
};
