{{- define "zmesh.fullname" -}}
{{- if contains "zmesh" .Release.Name }}{{ .Release.Name | trunc 40 | trimSuffix "-" }}{{ else }}{{ printf "%s-zmesh" .Release.Name | trunc 40 | trimSuffix "-" }}{{ end }}
{{- end }}

{{/* The services. One to come needs its name here, a block of values and a template of its own like registry.yaml. */}}
{{- define "zmesh.parts" -}}
dispatcher registry inference trainer
{{- end }}

{{/* Name of one part: (dict "root" . "part" "dispatcher") */}}
{{- define "zmesh.name" -}}
{{ include "zmesh.fullname" .root }}-{{ .part }}
{{- end }}

{{- define "zmesh.selector" -}}
app.kubernetes.io/name: zmesh
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .part }}
{{- end }}

{{- define "zmesh.labels" -}}
{{ include "zmesh.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end }}

{{- define "zmesh.image" -}}
{{- with .Values.image }}
{{- if .digest }}{{ .repository }}@{{ .digest }}{{ else }}{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}{{ end }}
{{- end }}
{{- end }}

{{/* The chart of NATS names itself so. */}}
{{- define "zmesh.natsUrl" -}}
{{- if .Values.nats.enabled -}}
nats://{{ if contains "nats" .Release.Name }}{{ .Release.Name }}{{ else }}{{ .Release.Name }}-nats{{ end }}:4222
{{- else -}}
{{ required "externalNats.url is needed where nats.enabled is false" .Values.externalNats.url }}
{{- end }}
{{- end }}

{{- define "zmesh.natsCopies" -}}
{{- if .Values.nats.enabled }}{{ if .Values.nats.config.cluster.enabled }}{{ min 5 .Values.nats.config.cluster.replicas }}{{ else }}1{{ end }}{{ else }}{{ .Values.externalNats.replicas }}{{ end }}
{{- end }}

{{/* A name without address: DNS gives every registry that is ready, and clients go round robin over them. */}}
{{- define "zmesh.registryAddress" -}}
{{ include "zmesh.name" (dict "root" . "part" "registry") }}:{{ .Values.registry.service.port }}
{{- end }}

{{- define "zmesh.trainerAddress" -}}
{{ include "zmesh.name" (dict "root" . "part" "trainer") }}:{{ .Values.trainer.service.port }}
{{- end }}

{{- define "zmesh.modelsClaim" -}}
{{ .Values.models.volume.existingClaim | default (printf "%s-models" (include "zmesh.fullname" .)) }}
{{- end }}

{{- define "zmesh.modelNames" -}}
{{- $names := list }}{{ range .Values.models.serve }}{{ $names = append $names .name }}{{ end }}{{ join "," $names }}
{{- end }}
