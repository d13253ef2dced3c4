/** Chat templates in the ways that published models write them; each uses other parts of the language. */
export const PUBLISHED_TEMPLATES: Readonly<Record<string, string>> = {
  chatml: `{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system
You are a helpful assistant<|im_end|>
' }}{% endif %}{{'<|im_start|>' + message['role'] + '
' + message['content'] + '<|im_end|>' + '
'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant
' }}{% endif %}`,
  headers: `{{- bos_token }}
{%- set date_string = date_string | default('26 Jul 2024') %}
{%- if messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content']|trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system_message = "" %}
{%- endif %}
{{- "<|start_header_id|>system<|end_header_id|>\\n\\n" }}
{{- "Today Date: " + date_string + "\\n\\n" + system_message + "<|eot_id|>" }}
{%- for message in messages %}
    {%- if not (message.role == 'ipython' or message.role == 'tool' or 'tool_calls' in message) %}
        {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n'+ message['content'] | trim + '<|eot_id|>' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{%- endif %}`,
  alternating: `{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}{% set system_message = messages[0]['content'] %}{% else %}{% set loop_messages = messages %}{% set system_message = false %}{% endif %}{% for message in loop_messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}{% if loop.index0 == 0 and system_message != false %}{% set content = '<<SYS>>\\n' + system_message + '\\n<</SYS>>\\n\\n' + message['content'] %}{% else %}{% set content = message['content'] %}{% endif %}{% if message['role'] == 'user' %}{{ bos_token + '[INST] ' + content.strip() + ' [/INST]' }}{% elif message['role'] == 'assistant' %}{{ ' '  + content.strip() + ' ' + eos_token }}{% endif %}{% endfor %}`,
  reasoning: `{%- set ns = namespace(multi_step_tool=true, last_query_index=messages|length - 1) %}
{%- for message in messages[::-1] %}
    {%- set index = (messages|length - 1) - loop.index0 %}
    {%- if ns.multi_step_tool and message.role == "user" and message.content is string and not(message.content.startswith('<tool_response>') and message.content.endswith('</tool_response>')) %}
        {%- set ns.multi_step_tool = false %}
        {%- set ns.last_query_index = index %}
    {%- endif %}
{%- endfor %}
{%- for message in messages %}
    {%- if message.role == "assistant" %}
        {%- set content = message.content %}
        {%- set reasoning_content = '' %}
        {%- if '</think>' in content %}
            {%- set reasoning_content = content.split('</think>')[0].rstrip('\\n').split('<think>')[-1].lstrip('\\n') %}
            {%- set content = content.split('</think>')[-1].lstrip('\\n') %}
        {%- endif %}
        {%- if loop.index0 > ns.last_query_index %}{{- '<think>\\n' + reasoning_content.strip('\\n') + '\\n</think>\\n\\n' + content }}
        {%- else %}{{- content }}{%- endif %}
    {%- else %}{{- '<|im_start|>' ~ message.role ~ '\\n' ~ message.content ~ '<|im_end|>\\n' }}{%- endif %}
{%- endfor %}`,
  filters: `{%- macro turn(role, text, mark='#') -%}{{ mark ~ role | upper ~ ': ' ~ text | replace('\\n', '\\n  ') | trim }}{%- endmacro -%}
{%- for m in messages if m.content -%}
{{ turn(m.role, m.content) }}
{{ turn(m.role, m.content, mark=loop.index ~ '/' ~ loop.length ~ ' ') | indent(2, true) }}
{%- filter lower %} {{ m | tojson(indent=2) }} {{ m.content.split() | join('+') }} {{ m.keys() | list | sort | join(',') }}{% endfilter %}
{%- else -%}nothing{%- endfor %}
{%- call(x) turn('caller', 'b') %}{{ x }}{% endcall %}
{{ range(2, 9, 3) | list }} {{ range(3, 0, -1) | list | tojson }} {{ messages | map(attribute='role') | unique | list }} {{ (messages | selectattr('role', 'equalto', 'user') | first).content }}
{{ 'abc'[::-1] }} {{ [1, [2, {'a': none}]] | tojson }} {{ {'x': 1.5, 'y': true}.items() | list }} {{ 7 // 2 }} {{ 2 ** 5 }} {{ messages is iterable }} {{ missing is defined }}`,
};
