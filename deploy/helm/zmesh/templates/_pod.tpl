{{/*
What a service's pods have in common. Each service gives its own parts:
(dict "root" . "part" "inference" "values" .Values.inference "program" "dist/…/main.js" "prefix" "INFERENCE"
      "variables" (list of name/value) "startupSeconds" 600 "volumes" (list) "mounts" (list) "init" (list) "resources" (dict))
*/}}
{{- define "zmesh.pod" -}}
{{- $ports := dict "grpc" .values.service.port "metrics" 9464 }}
metadata:
  labels:
    {{- include "zmesh.labels" (dict "root" .root "part" .part) | nindent 4 }}
    {{- with .values.podLabels }}{{ toYaml . | nindent 4 }}{{ end }}
  annotations:
    {{- if .root.Values.telemetry.scrapeAnnotations }}
    prometheus.io/scrape: "true"
    prometheus.io/port: {{ $ports.metrics | quote }}
    prometheus.io/path: /metrics
    {{- end }}
    {{- with .values.podAnnotations }}{{ toYaml . | nindent 4 }}{{ end }}
spec:
  serviceAccountName: {{ include "zmesh.fullname" .root }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ add .values.drainSeconds 15 }}
  securityContext:
    {{- toYaml .root.Values.podSecurityContext | nindent 4 }}
  {{- with .root.Values.image.pullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .init }}
  initContainers:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  containers:
    - name: {{ .part }}
      image: {{ include "zmesh.image" .root }}
      imagePullPolicy: {{ .root.Values.image.pullPolicy }}
      args: [{{ .program | quote }}]
      securityContext:
        {{- include "zmesh.securityContext" . | nindent 8 }}
      ports:
        - { name: grpc, containerPort: {{ $ports.grpc }} }
        - { name: metrics, containerPort: {{ $ports.metrics }} }
      env:
        {{- include "zmesh.env" . | trim | nindent 8 }}
      startupProbe:
        grpc: { port: {{ $ports.grpc }} }
        periodSeconds: 2
        failureThreshold: {{ div (add .startupSeconds 1) 2 }}
      readinessProbe:
        grpc: { port: {{ $ports.grpc }} }
        periodSeconds: 5
        timeoutSeconds: 3
        failureThreshold: 2
      # Patient: a busy process is not a dead one, and one that drains ends by itself.
      livenessProbe:
        grpc: { port: {{ $ports.grpc }} }
        periodSeconds: 10
        timeoutSeconds: 10
        failureThreshold: 6
      lifecycle:
        preStop:
          # Until everyone has heard that this pod ends.
          sleep: { seconds: 5 }
      resources:
        {{- toYaml (.resources | default .values.resources) | nindent 8 }}
      volumeMounts:
        - { name: tmp, mountPath: /tmp }
        {{- with .mounts }}{{ toYaml . | nindent 8 }}{{ end }}
  volumes:
    - { name: tmp, emptyDir: {} }
    {{- with .volumes }}{{ toYaml . | nindent 4 }}{{ end }}
  topologySpreadConstraints:
    - maxSkew: 1
      topologyKey: kubernetes.io/hostname
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels:
          {{- include "zmesh.selector" (dict "root" .root "part" .part) | nindent 10 }}
  {{- with .nodeSelector | default .values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .tolerations | default .values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .values.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}

{{- define "zmesh.securityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{/* Later ones of a name win: every service's, this service's from the chart, then the values'. */}}
{{- define "zmesh.env" -}}
{{- $all := dict
  (printf "ZMESH_%s_HOST" .prefix) "0.0.0.0"
  (printf "ZMESH_%s_PORT" .prefix) (toString .values.service.port)
  (printf "ZMESH_%s_HTTP_PORT" .prefix) "9464"
  (printf "ZMESH_%s_DRAIN_MS" .prefix) (printf "%d000" (int .values.drainSeconds))
  "ZMESH_DRAIN_MS" (printf "%d000" (add .values.drainSeconds 5))
  "ZMESH_NATS_URL" (include "zmesh.natsUrl" .root)
  "ZMESH_NATS_REPLICAS" (include "zmesh.natsCopies" .root)
  "OTEL_METRICS_EXPORTER" "none"
}}
{{- with .root.Values.telemetry.otlpEndpoint }}
{{- $_ := set $all "OTEL_EXPORTER_OTLP_ENDPOINT" . }}
{{- end }}
{{- /* First: others may hold $(POD_IP). */}}
- { name: POD_IP, valueFrom: { fieldRef: { fieldPath: status.podIP } } }
{{- range $name, $value := mergeOverwrite $all (deepCopy .root.Values.env) (.variables | default dict) (deepCopy .values.env) }}
- { name: {{ $name }}, value: {{ $value | toString | quote }} }
{{- end }}
{{- end }}
