"""What attacks on a judge are made of, in many languages: stems of words, as ``disguises.fold`` writes them.

An attack combines them; each by itself stands in any honest text. Each name here is the inside of an expression's
group.
"""

from __future__ import annotations

IGNORE = (
    r"ignor|disregard|forget|overrid|bypass|do not follow|don't follow|stop following|pay no attention|"
    r"set aside|skip|are void|no longer apply|not apply|supersede|vergiss|vergesst|vergessen sie|missacht|"
    r"beachte nicht|ubergeh|setze dich uber|olvid|desestim|haz caso omiso|descarta|oublie|ne tiens|"
    r"ne tenez|faites abstraction|fais abstraction|dimentica|tralascia|trascura|non considerare|"
    r"esqueca|desconsider|negeer|vergeet|zignoruj|zapomnij|pomin|nie zwracaj|bortse|glem |se bort|"
    r"zapomen|nedbej|uita |nu tine cont|hagyd figyelmen|felejtsd|bo qua|quen |abaikan|lupakan|unohda|"
    r"ohita|jata huomiotta|yok say|gormezden gel|unut|dikkate alma|игнорир|ігнору|забудь|не обращаи|"
    r"отмени|не следуи|скасуи|не зважаи|пренебрег|αγνοησ|ξεχασ|تجاهل|انس |انسى|تغاضى|نادیده بگیر|"
    r"فراموش کن|התעלם|התעלמ|שכח|忽略|无视|無視|忽視|忽视|忘记|忘記|忘掉|不要理会|不用管|别管|不理会|"
    r"抛开|不要遵|忘れ|従わない|무시|잊|अनदेखा|"
    r"नजरअंदाज|भूल|उपेक्षा|উপেক্ষা|புறக்கணி|เพิกเฉย|ไม่สนใจ|ลืม|glom "
)
"""To leave aside what was said before."""

INSTRUCTIONS = (
    r"instruction|prompt|guideline|directive|"
    r"(?:everything|all|what) (?:that )?you (?:were|have been|are) told|anweisung|instruktion|vorgabe|"
    r"instruccion|indicacion|directri|consigne|istruzion|direttiv|instruc[ao]|orientac|diretriz|"
    r"instructie|aanwijzing|richtlijn|instrukcj|polecen|wytyczn|instruks|instrukc|pokyn|utasitas|"
    r"huong dan|instruksi|perintah|ohje|talimat|yonerge|инструкц|указани|інструкц|вказівк|οδηγι|تعليمات|"
    r"اوامر|دستور|הוראות|指令|指示|プロンプト|指导|지시|명령|지침|프롬프트|निर्देश|आदेश|নির্দেশ|คําสั่ง|คําแนะนํา"
)
"""What a model is given to follow."""

RULES = (
    r"rules?\b|rubric|criteri|policy for grading|orders\b|regel|richtlinie|vorschrift|kriteri|regla|"
    r"reglas|pautas|ordenes|regle|directives|regol|regra|regels|zasad|regul|pravid|szabaly|aturan|saannot|"
    r"kural|правил|команд|критери|κανον|قواعد|القواعد|כללים|规则|規則|要求|提示|命令|标准|標準|"
    r"ルール|基準|규칙|기준|नियम|กฎ"
)
"""What people are given to follow, too."""

PRIOR = (
    r"previous|prior\b|above|earlier|before|preceding|foregoing|so far|bisherig|vorherig|vorig|obig|oben|"
    r"fruher|zuvor|anterior|previ[ao]s?\b|arriba|precedent|ci-dessus|plus haut|sopra|acima|eerder|"
    r"bovenstaand|hierboven|poprzedn|powyzsz|wczesniejsz|tidigare|ovan|tidligere|ovenfor|predchoz|"
    r"anterioare|korabbi|fenti|truoc|tren day|sebelumnya|aiempi|edelli|onceki|yukarida|предыдущ|выше|"
    r"прежн|попередн|вище|προηγουμεν|السابق|سابق|اعلاه|قبلی|הקודמ|上面|以上|以前|之前|先前|此前|前面|"
    r"前の|これまで|이전|위의|앞의|"
    r"पिछल|पूर्व|उपरोक्त|আগের|ก่อนหน้า|ข้างต้น"
)
"""Given before."""

ALL = (
    r"\ball\b|\bany\b|\bevery|\balle|\bsamtlich|\btod[ao]s\b|\btoutes?\b|\btous\b|\btutt[ei]\b|\bwszystki|"
    r"\balla\b|\bvsechny|\btoate\b|\bminden|\bosszes|\btat ca|\bmoi |\bsemua|\bkaikki|\btum\b|\bbutun|"
    r"\bвсе|\bусі|\bвсі|ολεσ|جميع|كل |همه|כל ה|所有|全部|一切|すべて|全て|全ての|모든|모두|सभी|सारे|সব|ทั้งหมด"
)
"""All of them."""

MINE = (
    r"\bmy\b|\bour\b|\bmeine?\b|\bunsere?\b|\bmi\b|\bmis\b|\bnuestr|\bmes\b|\bmon\b|\bnos\b|\bmie\b|"
    r"\bmio\b|\bminhas?\b|\bmeus?\b|\bmijn\b|\bmoje\b|\bмои\b|\bмое|我的|我之|私の|내 |제 "
)
"""A customer may take back what he said himself."""

NEVER = (
    r"never|\bnot|n't|cannot|nicht|niemals|\bno|nunca|\bne|jamais|\bnon|mai|\bnie|\bне|никогда|不要|切勿|不得|勿|"
    r"لا|without"
)
"""What turns an attack into its opposite."""

SCORE = (
    r"scores?|scored|ratings?|grades?|marks?|points?|punktzahl|punkten?|bewertung|benotung|noten?|"
    r"puntuacion|puntaje|calificacion|puntos|nota|punteggio|voto|voti|pontuacao|pontos|notas|cijfer|"
    r"beoordeling|punten|ocen[aeye]|ocene|punktow|betyg|poang|karakter|hodnoceni|bodu|punctaj|pontszam|"
    r"diem|skor|nilai|pisteet|arvosana|puan|puani|оценк\w*|балл\w*|балив|бал\w?|оцинк\w*|оцінк\w*|"
    r"βαθμολογια|βαθμο|درجة|الدرجة|درجات|تقييم|نمره|امتیاز|ציון|अंक|स्कोर|নম্বর|คะแนน"
)
"""What a judge gives."""

MOST = (
    r"max(?:imum|imal)?\w*|highest|top|perfect|full|best(?: possible)?|flawless|hochst\w*|voll\w*|"
    r"bestmoglich\w*|maxim[ao]s?|mas alta|perfect[ao]|meilleure?|maximales?|plus (?:haute?|elevee?)|"
    r"parfaite?|massim[oa]|pien[oi]|piu alt[oa]|hoogste|volle|maksymaln\w*|najwyzsz\w*|hogsta|hojeste|"
    r"nejvyssi|plny|cel mai mare|legmagasabb|cao nhat|toi da|tertinggi|sempurna|korkein|tay|taydet|tam|"
    r"en yuksek|максимальн\w*|высш\w*|наивысш\w*|наивищ\w*|полн\w*|ανωτατ\w*|μεγιστ\w*|اعلى|كاملة|الكاملة|"
    r"القصوى|کامل|بالاترین|מקסימלי|הגבוה|पूर\w*|पूर्ण|अधिकतम|সর্বোচ্চ|เต็ม|สูงสุด"
)
"""The most of it."""

GIVE = (
    r"giv(?:e|es|en|ing)|award\w*|assign\w*|grant\w*|record\w*|enter\w*|output\w*|return\w*|set|put|"
    r"marks?|marked|rat(?:e|ed|es|ing)|scor(?:e|es|ed|ing)|grad(?:e|es|ed)|report|respond|receives?|"
    r"deserves?|write|copy|select|choose|submit|vergib|vergebe\w*|geben|gib|bewerte\w*|verdien\w*|"
    r"erteil\w*|setze?|dar|dale|asign\w*|otorg\w*|pon|califi\w*|merece\w*|donne\w*|attribu\w*|accord\w*|"
    r"mets|mettez|merite\w*|dai|assegn\w*|merita|atribu\w*|conced\w*|geef|przyzn\w*|daj\w*|wystaw\w*|giv|"
    r"udel|dej|acorda|adj|beri\w*|anna|постав\w*|выстав\w*|даи\w*|оцени\w*|присв\w*|вистав\w*|δωσε|βαλε|"
    r"اعط\w*|امنح\w*|بده|תן|תני|दें|दो|दीजिए|दे|da(?= (?:la|el|una?|al) )|ver(?:in|iniz)?"
)
"""To give it."""

JUDGE = (
    r"judges?|graders?|evaluators?|reviewers?|raters?|scorers?|assessors?|examiners?|llm|ai model|"
    r"language model|bewerter\w*|prufer\w*|gutachter\w*|evaluador\w*|juez|evaluateur|evaluatrice|juge|"
    r"correcteur|valutatore|giudice|avaliador\w*|juiz|beoordelaar|sedzi\w*|oceniajac\w*|bedomare\w*|"
    r"hodnotitel\w*|evaluator\w*|biralo|penilai|arvioija\w*|degerlendir\w*|hakem|оценщик\w*|судь\w*|"
    r"проверяющ\w*|оцінювач\w*|cyддi|κριτη|المقيم\w*|الحكم|ارزیاب|שופט|评委|评审|评估者|评分者|评判|"
    r"裁判|审核者|審査|採点者|評価者|"
    r"채점자|평가자|심사|मूल्यांकनकर्ता|न्यायाधीश"
)
"""Who gives it."""

CASE = (
    r"\b(?:every|each|all|any|both)(?: of)?(?: the| these)?(?: \w+)? (?:criteri|categor|dimension|metric)|"
    r"\brubric|\bcriteria\b|\bthis (?:agent|assistant|run|transcript|bot|trace)\b|"
    r"\bevaluation (?:mode|team|board|committee)|\bgrading (?:pipeline|team)|kriteri(?:um|en)|"
    r"diese[mnr]? (?:agent|assistent)|criterios?\b|este agente|esta agente|criteres?\b|cet agent|cet assistant|"
    r"ogni criterio|tutti i criteri|questo agente|criterium|criteria\b|deze agent|kryteri|tego agenta|"
    r"temu agentowi|критери|этого агента|этому агенту|цьому агенту|معيار|المعايير|هذا الوكيل|标准|標準|各项|每项|"
    r"该代理|该智能体|本代理|基準|項目|エージェント|기준|항목|에이전트|मानदंड|एजेंट|kriter"
)
"""What is given a score, in the words of a rubric."""

TEN = r"10(?:\.0)?|ten|zehn|diez|dix|dieci|dez|tien|dziesiec|tio|deset|zece|sepuluh|kymmenen|десять|عشرة|१०"
"""Ten."""

OUT_OF = r"/|out of|von|sobre|sur|su|de|van|na|av|af|din|из|з|من|tren|dari"
"""Ten of ten."""

CJK_MOST = r"满分|滿分|最高分|最高评分|最高評分|10 ?分|十分|満点|最高点|最高得点|10 ?点|만점|최고 ?점|10 ?점"
"""The most, in scripts that put no blanks between words."""

CJK_GIVE = r"给|給|打|评|評|判|付け|与え|つけ|주|부여|매겨"
"""To give it, in those scripts."""

SCORE_STEMS = (
    "score|scor|rating|rate|grade|grading|mark|point|punkt|bewert|note|nota|punt|calific|voto|voti|pontua|cijfer"
    "|beoordel|criteri|kriteri|критери|critere|ocen|betyg|poang|karakter|hodnoc|bodu|pontszam|diem|skor|nilai"
    "|pistee|arvosana|puan|оцен|балл|бал|оцін|оцин|βαθμ|درجة|درجات|تقييم|نمره|امتیاز|ציון|अंक|स्कोर|নম্বর|คะแนน"
    "|10/10|分|点|점|wertung|dix|diez|zehn|sobre|out of"
)
"""One of these stands near every demand of a score: plain words, as they are searched for."""
