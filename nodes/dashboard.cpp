#include "nodes/connection.hpp"

namespace sotto {

// One page without anything from elsewhere. All text from the node is set as textContent.
std::string_view dashboard_page() {
  return R"page(<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Sotto</title><style>
body{font:15px/1.5 system-ui,sans-serif;margin:0;background:#f6f6f4;color:#222}
header{padding:12px 20px;background:#23303a;color:#fff;display:flex;gap:16px;align-items:baseline}
main{display:grid;grid-template-columns:2fr 1fr;gap:20px;padding:20px;max-width:1100px;margin:auto}
section{background:#fff;border-radius:8px;padding:16px}h1{font-size:20px;margin:0}h2{font-size:15px;margin:0 0 8px}
#lines{height:50vh;overflow:auto}.own{color:#1d5c8a}.note{color:#777;font-size:13px}
form{display:flex;gap:8px;margin-top:8px}input{font:inherit;padding:6px;flex:1;min-width:0}
table{width:100%;border-collapse:collapse;font-size:14px}td:last-child{text-align:right;font-variant-numeric:tabular-nums}
</style></head><body>
<header><h1>Sotto</h1><span id="state">...</span><input id="key" type="password" aria-label="API key" placeholder="API key, if the node asks for one" autocomplete="off"></header><main>
<section><h2>Talk</h2><div id="lines"></div>
<form id="say"><input id="user" value="guest" aria-label="user" size="8"><input id="text" aria-label="text" placeholder="Say something" autocomplete="off"><button>Send</button></form></section>
<section><h2>This node</h2><table id="figures"></table></section></main><script>
const $=id=>document.getElementById(id)
// Kept for this tab only.
$('key').value=sessionStorage.getItem('key')||'';$('key').onchange=()=>{sessionStorage.setItem('key',$('key').value.trim());figures()}
const auth=()=>$('key').value.trim()?{authorization:'Bearer '+$('key').value.trim()}:{}
function line(cls,text){const p=document.createElement('p');p.className=cls;p.textContent=text;$('lines').append(p);p.scrollIntoView();return p}
$('say').onsubmit=async e=>{e.preventDefault();const text=$('text').value.trim();if(!text)return;$('text').value=''
line('',text);const out=line('own','')
try{const r=await fetch('/v1/chat/completions',{method:'POST',headers:{'content-type':'application/json',...auth()},
body:JSON.stringify({user:$('user').value,stream:true,messages:[{role:'user',content:text}]})})
if(!r.ok){out.textContent=(await r.json()).error.message;return}
const reader=r.body.getReader(),dec=new TextDecoder();let rest=''
for(;;){const{done,value}=await reader.read();if(done)break;rest+=dec.decode(value,{stream:true})
const parts=rest.split('\n\n');rest=parts.pop()
for(const p of parts){const d=p.slice(6);if(d==='[DONE]')continue;const x=JSON.parse(d)
if(x.error){out.textContent+=' ['+x.error.message+']';continue}
const c=x.choices[0];if(c&&c.delta.content)out.textContent+=c.delta.content
if(x.sotto)line('note','mood: '+x.sotto.emotion.primary+(x.sotto.memories.length?'; recalled: '+x.sotto.memories.map(m=>m.text).join(' | '):'')+(x.sotto.degraded.length?'; degraded: '+x.sotto.degraded.join(', '):''))}}
}catch(err){out.textContent='no answer: '+err.message}}
let last=null
async function figures(){try{const ready=await fetch('/readyz');$('state').textContent=ready.ok?'ready':'not ready'
const answer=await fetch('/metrics',{headers:auth()});if(!answer.ok){const tr=document.createElement('tr');tr.append((await answer.json()).error.message);return $('figures').replaceChildren(tr)}
const text=await answer.text(),sum={};for(const l of text.split('\n')){const m=/^([a-z_]+)(\{[^}]*\})? ([-0-9.e+]+)$/.exec(l);if(m)sum[m[1]]=(sum[m[1]]||0)+Number(m[3])}
const now=performance.now(),rate=k=>last?((sum[k]||0)-(last.sum[k]||0))/((now-last.now)/1000):0
const rows=[['Requests/s',rate('sotto_http_requests_total').toFixed(1)],['Messages/s',rate('sotto_messages_total').toFixed(0)],['Actors',sum.sotto_actors],['Sockets',sum.sotto_sockets],['Overload step',['normal','fewer memories','cached context','no analysers','builtin responder','refuse'][sum.sotto_overload_step||0]],['Durable writes',sum.sotto_store_writes_total||0],['Memory (MB)',((sum.process_resident_memory_bytes||0)/1e6).toFixed(0)]]
last={now,sum};$('figures').replaceChildren(...rows.map(r=>{const tr=document.createElement('tr');for(const x of r){const td=document.createElement('td');td.textContent=x;tr.append(td)}return tr}))
}catch{$('state').textContent='no answer'}}
figures();setInterval(figures,2000)
</script></body></html>
)page";
}

} // namespace sotto
