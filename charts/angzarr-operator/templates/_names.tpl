{{- define "angzarr.name" -}}
{{ .Values.instance }}-operator
{{- end }}

{{- define "angzarr.account" -}}
{{ .Values.serviceAccountName | default (include "angzarr.name" .) }}
{{- end }}

{{- define "angzarr.selector" -}}
app.kubernetes.io/name: angzarr-operator
app.kubernetes.io/instance: {{ .Values.instance }}
{{- end }}

{{- define "angzarr.labels" -}}
{{ include "angzarr.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- define "angzarr.image" -}}
{{ .Values.imageRepository }}
{{- if .Values.imageDigest }}@{{ .Values.imageDigest }}{{ else }}:{{ .Values.imageTag | default .Chart.AppVersion }}{{ end }}
{{- end }}

{{- define "angzarr.labelledPods" -}}
resourceRules:
  - apiGroups: [""]
    apiVersions: [v1]
    operations: [CREATE]
    resources: [pods]
    scope: Namespaced
objectSelector:
  matchExpressions: [{key: angzarr.io/inject, operator: Exists}]
{{- if eq .Values.scope "namespaced" }}
namespaceSelector:
  matchLabels: {kubernetes.io/metadata.name: {{ .Release.Namespace }}}
{{- end }}
{{- end }}

{{- /* The name of what is in no namespace: releases of several namespaces do not share it. */}}
{{- define "angzarr.clusterName" -}}
{{ include "angzarr.name" . }}{{ if eq .Values.scope "namespaced" }}-{{ .Release.Namespace }}{{ end }}
{{- end }}
