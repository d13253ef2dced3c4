{{/* model.json is written last of a prepared model. */}}
{{- define "zmesh.waitForModels" -}}
- name: wait-for-models
  image: {{ include "zmesh.image" . }}
  imagePullPolicy: {{ .Values.image.pullPolicy }}
  command: ["/bin/sh", "-c"]
  args:
    - |
      for model in "$@"; do
        until [ -f "/var/lib/zmesh/models/$model/model.json" ]; do echo "waiting for the import of $model"; sleep 5; done
      done
    - wait-for-models
    {{- range .Values.models.serve }}
    - {{ .name }}
    {{- end }}
  securityContext:
    {{- include "zmesh.securityContext" . | nindent 4 }}
  resources:
    requests: { cpu: 10m, memory: 16Mi }
    limits: { memory: 64Mi }
  volumeMounts:
    - { name: models, mountPath: /var/lib/zmesh/models, readOnly: true }
{{- end }}
