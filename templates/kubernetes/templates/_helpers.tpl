{{- define "kata-sysext.namespace" -}}
{{- .Values.namespace.name | toJson -}}
{{- end }}

{{- /* Labels of an object: takes "component". */}}
{{- define "kata-sysext.labels" -}}
app.kubernetes.io/name: kata-sysext
app.kubernetes.io/component: {{ .component | toJson }}
{{- end }}

{{- define "kata-sysext.image" -}}
{{- $repository := required "image.repository is missing: where the image of the node pod is" .Values.image.repository -}}
{{- $digest := required "image.digest is missing: sha256:HEX of the image of the node pod" .Values.image.digest -}}
{{- printf "%s@%s" $repository $digest | toJson -}}
{{- end }}

{{- /*
The whole request as JSON: takes "mode", "request" and "overrides". Empty values are left out. The kubelet reads $(NAME) in values of the
environment, so that there is no dollar sign in it.
*/}}
{{- define "kata-sysext.request" -}}
{{- $mode := .mode -}}
{{- $request := dict "apiVersion" "kata-sysext/v1" "kind" "Request" "mode" $mode -}}
{{- range $values := list .request .overrides -}}
{{- range $key, $value := $values -}}
{{- if and $value (or (ne $mode "uninstall") (has $key (list "allow" "engines" "metrics" "retry"))) -}}
{{- $_ := set $request $key $value -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $request | toJson | replace "$" "\\u0024" -}}
{{- end }}

{{- /* What every container has that does not ask the host for anything. */}}
{{- define "kata-sysext.unprivileged" -}}
runAsUser: 65534
runAsGroup: 65534
runAsNonRoot: true
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- /* Takes "root" and "name". */}}
{{- define "kata-sysext.labelContainer" -}}
- name: {{ .name }}
  image: {{ include "kata-sysext.image" .root }}
  imagePullPolicy: {{ .root.Values.imagePullPolicy }}
  command: [/kata-sysext, node-pod, {{ .name }}]
  env:
    - name: NODE_NAME
      valueFrom:
        fieldRef:
          fieldPath: spec.nodeName
  securityContext:
    {{- include "kata-sysext.unprivileged" . | nindent 4 }}
  resources: {{ .root.Values.resources.label | toJson }}
  volumeMounts:
    {{- if eq .name "ready" }}
    - name: node-ready
      mountPath: /run/node-ready
    {{- else }}
    - name: report
      mountPath: /etc/kata-sysext
      readOnly: true
    {{- end }}
    - name: token
      mountPath: /var/run/secrets/kubernetes.io/serviceaccount
      readOnly: true
{{- end }}

{{- /* It writes one file below /etc/kubernetes of the node, which only the type of `change` may. */}}
{{- define "kata-sysext.featureContainer" -}}
- name: {{ .name }}
  image: {{ include "kata-sysext.image" .root }}
  imagePullPolicy: {{ .root.Values.imagePullPolicy }}
  command: [/kata-sysext, node-pod, {{ .name }}]
  securityContext:
    runAsUser: 0
    runAsGroup: 0
    allowPrivilegeEscalation: false
    readOnlyRootFilesystem: true
    capabilities:
      drop: [ALL]
    seccompProfile:
      type: RuntimeDefault
    seLinuxOptions:
      type: {{ .root.Values.selinuxType | toJson }}
  resources: {{ .root.Values.resources.label | toJson }}
  volumeMounts:
    - name: report
      mountPath: /etc/kata-sysext
      readOnly: true
    - name: features
      mountPath: /etc/kubernetes/node-feature-discovery/features.d
{{- end }}

{{- /* Takes "root", "name" (of the DaemonSet), "mode", "request" and "overrides". */}}
{{- define "kata-sysext.initContainers" -}}
{{- $values := .root.Values -}}
{{- $labels := eq $values.proof "token" -}}
{{- $features := eq $values.proof "nfd" -}}
{{- if and $labels (eq .mode "uninstall") -}}
{{- include "kata-sysext.labelContainer" (dict "root" .root "name" "unlabel") | nindent 0 }}
{{- end }}
{{- if and $features (eq .mode "uninstall") -}}
{{- include "kata-sysext.featureContainer" (dict "root" .root "name" "unfeature") | nindent 0 }}
{{- end }}
{{- if and $labels (ne .mode "uninstall") }}
{{- include "kata-sysext.labelContainer" (dict "root" .root "name" "ready") | nindent 0 }}
{{- end }}
- name: change
  image: {{ include "kata-sysext.image" .root }}
  imagePullPolicy: {{ $values.imagePullPolicy }}
  command: [/kata-sysext, node-pod, change]
  env:
    - name: KATA_SYSEXT_REQUEST
      value: {{ include "kata-sysext.request" . | toJson }}
    # Which template of its DaemonSet the pod has: "1" is the one that it was created with. See the value waves.
    - name: KATA_SYSEXT_TEMPLATE_GENERATION
      valueFrom:
        fieldRef:
          fieldPath: metadata.labels['pod-template-generation']
    - name: KATA_SYSEXT_WAVES
      value: {{ $values.waves | toJson }}
  securityContext:
    {{- if eq $values.podMode "privileged" }}
    # AppArmor's profile of the engine forbids a confined container to use the bus: see the value podMode.
    privileged: true
    runAsUser: 0
    runAsGroup: 0
    readOnlyRootFilesystem: true
    {{- else }}
    runAsUser: 0
    runAsGroup: 0
    allowPrivilegeEscalation: false
    readOnlyRootFilesystem: true
    capabilities:
      drop: [ALL]
    seccompProfile:
      type: RuntimeDefault
    seLinuxOptions:
      type: {{ $values.selinuxType | toJson }}
    {{- if $values.appArmorType }}
    appArmorProfile:
      type: {{ $values.appArmorType | toJson }}
    {{- end }}
    {{- end }}
  resources: {{ $values.resources.change | toJson }}
  volumeMounts:
    - name: dbus
      mountPath: /run/dbus
    - name: state
      mountPath: /var/lib/kata-sysext
    - name: report
      mountPath: /etc/kata-sysext
      readOnly: true
    {{- if ne .mode "uninstall" }}
    - name: node-ready
      mountPath: /run/node-ready
      readOnly: true
    {{- end }}
{{- if and $labels (ne .mode "uninstall") }}
{{- include "kata-sysext.labelContainer" (dict "root" .root "name" "label") | nindent 0 }}
{{- end }}
{{- if and $features (ne .mode "uninstall") }}
{{- include "kata-sysext.featureContainer" (dict "root" .root "name" "feature") | nindent 0 }}
{{- end }}
{{- end }}

{{- /* Conditions that each term of the affinity has. Virtual nodes have no host. */}}
{{- define "kata-sysext.realNodes" -}}
- key: kubernetes.io/arch
  operator: In
  values: [amd64, arm64]
- key: type
  operator: NotIn
  values: [virtual-kubelet]
- key: eks.amazonaws.com/compute-type
  operator: NotIn
  values: [fargate]
{{- end }}

{{- /* Takes "root", "name", "component", "nodeSelector", "excluded" (a node selector), "mode", "request" and "overrides". */}}
{{- define "kata-sysext.daemonSet" -}}
{{- $values := .root.Values -}}
apiVersion: apps/v1
kind: DaemonSet
metadata:
  name: {{ .name }}
  namespace: {{ include "kata-sysext.namespace" .root }}
  labels:
    {{- include "kata-sysext.labels" . | nindent 4 }}
spec:
  revisionHistoryLimit: {{ $values.updates.revisionHistoryLimit | toJson }}
  minReadySeconds: {{ $values.updates.minReadySeconds | toJson }}
  updateStrategy:
    type: RollingUpdate
    rollingUpdate:
      maxUnavailable: {{ $values.maxUnavailable | toJson }}
  selector:
    matchLabels:
      {{- include "kata-sysext.labels" . | nindent 6 }}
  template:
    metadata:
      labels:
        {{- include "kata-sysext.labels" . | nindent 8 }}
      annotations:
        kubectl.kubernetes.io/default-container: change
    spec:
      serviceAccountName: kata-sysext
      automountServiceAccountToken: false
      enableServiceLinks: false
      terminationGracePeriodSeconds: 5
      priorityClassName: {{ $values.priorityClassName | default "kata-sysext-node" | toJson }}
      {{- if $values.imagePullSecrets }}
      imagePullSecrets:
        {{- range $values.imagePullSecrets }}
        - name: {{ . | toJson }}
        {{- end }}
      {{- end }}
      nodeSelector:
        {{- $selectors := dict "kubernetes.io/os" "linux" }}
        {{- range $key, $value := .nodeSelector }}
        {{- $_ := set $selectors $key $value }}
        {{- end }}
        {{- range $key, $value := $selectors }}
        {{ $key | toJson }}: {{ $value | toJson }}
        {{- end }}
      affinity:
        nodeAffinity:
          requiredDuringSchedulingIgnoredDuringExecution:
            nodeSelectorTerms:
              {{- /* A node is in the canary if it has all of its labels, so that one term for each label is all other nodes. */}}
              {{- range $key, $value := .excluded }}
              - matchExpressions:
                  - key: {{ $key | toJson }}
                    operator: NotIn
                    values: [{{ $value | toJson }}]
                  {{- include "kata-sysext.realNodes" . | nindent 18 }}
              {{- else }}
              - matchExpressions:
                  {{- include "kata-sysext.realNodes" . | nindent 18 }}
              {{- end }}
      tolerations: {{ $values.tolerations | toJson }}
      initContainers:
        {{- include "kata-sysext.initContainers" . | nindent 8 }}
      containers:
        - name: report
          image: {{ include "kata-sysext.image" .root }}
          imagePullPolicy: {{ $values.imagePullPolicy }}
          command: [/report, wait]
          readinessProbe:
            exec:
              command: [/report, ready]
            periodSeconds: 10
            timeoutSeconds: 5
          securityContext:
            {{- include "kata-sysext.unprivileged" . | nindent 12 }}
          resources: {{ $values.resources.report | toJson }}
          volumeMounts:
            - name: report
              mountPath: /etc/kata-sysext
              readOnly: true
      volumes:
        - name: dbus
          hostPath:
            path: /run/dbus
            type: Directory
        - name: state
          hostPath:
            path: /var/lib/kata-sysext
            type: DirectoryOrCreate
        - name: report
          hostPath:
            path: /etc/kata-sysext
            type: DirectoryOrCreate
        {{- if eq $values.proof "nfd" }}
        - name: features
          hostPath:
            path: /etc/kubernetes/node-feature-discovery/features.d
            type: DirectoryOrCreate
        {{- end }}
        {{- if ne .mode "uninstall" }}
        - name: node-ready
          emptyDir:
            sizeLimit: 1Mi
        {{- end }}
        {{- if eq $values.proof "token" }}
        {{- include "kata-sysext.tokenVolume" . | nindent 8 }}
        {{- end }}
{{- end }}

{{- /* A token of ten minutes for this pod alone, at the place where clients look. */}}
{{- define "kata-sysext.tokenVolume" -}}
- name: token
  projected:
    sources:
      - serviceAccountToken:
          path: token
          expirationSeconds: 600
      - configMap:
          name: kube-root-ca.crt
          items:
            - key: ca.crt
              path: ca.crt
      - downwardAPI:
          items:
            - path: namespace
              fieldRef:
                fieldPath: metadata.namespace
{{- end }}
