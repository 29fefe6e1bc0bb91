"""Words that say how something is asked, not what: articles, pronouns, prepositions, those of looking for somebody."""

from __future__ import annotations

# As `workers.words` spells them: lower case, without accents. English, German, Spanish, French, Italian, Portuguese,
# Dutch, Polish.
_BY_LANGUAGE = (
    """
    a about after all also am an and any anybody anyone are as at be been by can could did do does for from
    get has have he her him his how i if in into is it its know knows like looking me my near need needs no
    not of on or our out over people person she should so somebody someone something than that the their them
    there they this to under us very want wants was we were what when where which who whom whose why will with
    work working works would you your
    """,
    """
    aber als am an arbeiten arbeitet auf aus bei beim bin bis brauche das dass dem den der des die du ein eine
    einem einen einer es fur gesucht habe haben hat ich ihr im in ist jemand jemanden kann kennt konnte leute
    man mein meine meinem meinen meiner mich mir mit nach nicht oder sich sie sind suche uber um und uns unser
    unsere vom von vor war was weiss welche wen wer wie wir wird wo zu zum zur
    """,
    """
    a al algo alguien busco como con cual cuando de del donde el ella en es ese esta este estoy gente ha hay
    la las le lo los mas me mi mis necesito no nos o para pero por puede que quien quiero sabe se ser si sin
    sobre son su sus tengo trabaja trabajan un una uno y yo
    """,
    """
    a au aux avec besoin ce ces cette cherche comment connait d dans de des du elle en est et etre gens il ils
    j je l la le les leur ma mes moi mon n ne nos notre on ou par pas pour qu quand que quelqu qui quoi s sa
    sait se ses son sont sur travaille travaillent un une vous y
    """,
    """
    a ai al alla che chi ci come con cosa da dal dalla dei del della delle di e gli ha ho i il in io l la
    lavora lavorano le lo ma mi mia mio ne nel nella non o per persone piu puo qualcuno quale quando questa
    questo sa se serve si sono su sul un una uno
    """,
    """
    a alguem ao aos as com como da das de do dos e ela ele em entende esta estou eu ha isso mais me meu minha
    na nao nas no nos o onde os ou para pela pelo pessoas por precisa preciso procuro que quem sabe se sem ser
    seu sua tenho trabalha trabalham um uma
    """,
    """
    aan als bij dat de deze die dit een en er gezocht haar heb heeft het hij hoe iemand iets ik in is je kan
    maar mensen met mij mijn naar niet nodig of om onze op over te tot uit van voor waar wat weet welke werken
    werkt wie wij wil zich zij zijn zoek
    """,
    """
    ale bez byc co czy dla do gdzie i ich ja jak jaka jaki jako jest jestem kogo komu kto ktora ktory ktos
    ludzie ma mam mi mnie moj moja moje moze na nad nas nie o od osoba po pod potrzebuje pracuja pracuje przez
    sa sie szukam ta ten to tu u w we z za ze zna
    """,
)
FUNCTION_WORDS = frozenset(word for words in _BY_LANGUAGE for word in words.split())

# Those that stand inside names of people and companies.
CONNECTORS = frozenset(
    """
    a ai al and co da dal de degli dei del della den der des di do dos du e el et for fur i im in la las le los of te
    ten ter the und van vom von voor works y z zu zum zur
    """.split()  # noqa: SIM905  a list of 40 strings is no easier to read
)
